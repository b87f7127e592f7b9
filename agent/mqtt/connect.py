"""From options to a receiver: the one place that chooses the protocol."""

from typing import Final

from agent.mqtt.options import MqttOptions
from agent.mqtt.session import Session
from agent.mqtt.wire import Wire
from agent.mqtt.wire5 import Wire5
from agent.mqtt.wire311 import Wire311

WIRES: Final[dict[str, type[Wire]]] = {"5": Wire5, "3.1.1": Wire311}


def make_receiver(options: MqttOptions, *, session_expected: bool = False) -> Session:
    """A receiver that has not connected yet.

    `session_expected`: an earlier run had a session at this broker, so its absence is reported as possible loss.
    """
    return Session(options, WIRES[options.protocol], session_expected=session_expected)
