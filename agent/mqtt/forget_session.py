"""Ends a session that the broker keeps, for a client that will not come back."""

import contextlib
import time

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from agent.mqtt.options import MqttOptions
from agent.mqtt.wire import CONNECT_TIMEOUT_S


def forget_session(options: MqttOptions) -> None:
    """Connect with a clean session and disconnect, in a blocking call; without effect if the broker is unreachable.

    In MQTT 3.1.1 this is the only way to end a session. In MQTT 5 a session expiry of 0 does the same.
    """
    client = Client(CallbackAPIVersion.VERSION2, options.client_id, clean_session=True, reconnect_on_failure=False)
    client.connect_timeout = CONNECT_TIMEOUT_S / 2
    if options.username is not None:
        client.username_pw_set(options.username, options.password)
    if options.tls is not None:
        client.tls_set_context(options.tls)
    connected: list[bool] = []
    client.on_connect = lambda *_: connected.append(True)
    with contextlib.suppress(OSError):
        client.connect(options.host, options.port)
        deadline_s = time.monotonic() + CONNECT_TIMEOUT_S
        while not connected and client.loop(0.1) == MQTTErrorCode.MQTT_ERR_SUCCESS and time.monotonic() < deadline_s:
            pass
        client.disconnect()
