"""The receiver, made from the settings, as `run` and `check-config` need it; `agent.shard.opening` makes the rest.

It raises `SettingsError` where a setting cannot be used. It does not connect to a server.
"""

from agent.config import Settings
from agent.dialects.decoder import Decoder
from agent.mqtt.base import Receiver
from agent.mqtt.connect import make_receiver
from agent.mqtt.options import MqttOptions


def receiver_of(settings: Settings, decoder: Decoder, *, session_expected: bool = False) -> Receiver:
    """The receiver of all topics that the dialects subscribe to."""
    options = MqttOptions.from_settings(settings.mqtt, decoder.topic_filters())
    return make_receiver(options, session_expected=session_expected)
