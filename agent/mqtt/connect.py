"""From options to a receiver."""

from pathlib import Path

from agent.mqtt.options import MqttOptions
from agent.mqtt.session import Session
from agent.mqtt.subscriptions import SubscriptionNotes


def make_receiver(
    options: MqttOptions, *, session_expected: bool = False, subscriptions_file: Path | None = None
) -> Session:
    """A receiver that has not connected yet.

    `session_expected`: an earlier run had a session at this broker, so its absence is reported as possible loss.
    `subscriptions_file`: where subscriptions are noted, so that later runs give up those that are no longer wanted;
    None for a session that ends with the receiver.
    """
    notes = None if subscriptions_file is None else SubscriptionNotes(subscriptions_file, options.client_id)
    return Session(options, session_expected=session_expected, notes=notes)
