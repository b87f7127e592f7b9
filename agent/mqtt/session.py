"""The MQTT 5 receiver: the session of `agent.mqtt.receiver` over the connections of `agent.mqtt.connection`."""

import random
import ssl
from collections.abc import Callable

from agent.backoff import Backoff
from agent.mqtt.base import Delivery
from agent.mqtt.connection import Connection
from agent.mqtt.receiver import TAKEN_OVER_S, SessionReceiver, Terms


class Mqtt5Receiver(SessionReceiver):
    """Receives with MQTT 5 (`agent.mqtt.base.Receiver`).

    `session_expected` tells that an earlier run had a session here, so that its absence is reported as possible loss.
    """

    gathers = True

    def __init__(
        self,
        *,
        host: str,
        port: int,
        client_id: str,
        filters: list[str],
        receive_maximum: int,
        session_expiry_s: int,
        keepalive_s: int,
        max_packet_bytes: int,
        username: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        qos: int = 1,
        session_expected: bool = False,
        backoff: Backoff | None = None,
        taken_over_s: float = TAKEN_OVER_S,
        chance: random.Random | None = None,
    ) -> None:
        terms = Terms(
            host=host,
            port=port,
            client_id=client_id,
            filters=filters,
            receive_maximum=receive_maximum,
            session_expiry_s=session_expiry_s,
            keepalive_s=keepalive_s,
            max_packet_bytes=max_packet_bytes,
            username=username,
            password=password,
            tls=tls,
            qos=qos,
            session_expected=session_expected,
        )
        super().__init__(terms, backoff=backoff, taken_over_s=taken_over_s, chance=chance)

    def _make_link(
        self, terms: Terms, *, generation: int, on_delivery: Callable[[Delivery], None], paused: bool
    ) -> Connection:
        return Connection(terms, generation=generation, counters=self.counters, on_delivery=on_delivery, paused=paused)
