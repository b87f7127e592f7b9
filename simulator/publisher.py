"""Publishes at QoS 1 and tracks what the broker has acknowledged.

There are three senders with one interface. `ClientSender` uses aiomqtt (MQTT 3.1.1, any broker). It is independent of
the agent's MQTT code, so it can test that code. `LeanSender` uses MQTT 5 with the `mqtt5` codec over any number of
connections and is made for load tests. `FrameSender` speaks GB/T 32960 and needs no broker. All number messages in the
order given, reconnect, and send unacknowledged messages again.
"""

import os
from collections.abc import AsyncIterable, Iterable, Sequence
from typing import Final

from simulator.broker import DEFAULT_URL, Broker, OnAcknowledged, Outgoing, Sender, SendSummary, Unreachable
from simulator.client_sender import ClientSender
from simulator.frame_sender import FrameSender
from simulator.lean_sender import LeanSender

__all__ = [
    "DEFAULT_URL",
    "Broker",
    "ClientSender",
    "LeanSender",
    "OnAcknowledged",
    "Outgoing",
    "SendSummary",
    "Sender",
    "Unreachable",
    "make_sender",
    "publish",
]

BATCH_MESSAGES: Final = 500


def make_sender(
    url: str,
    *,
    connections: int = 0,
    client_id: str | None = None,
    on_acknowledged: OnAcknowledged | None = None,
    give_up_s: float = 60.0,
    retain: bool = False,
) -> ClientSender | LeanSender | FrameSender:
    """A client sender for `connections=0`, otherwise a lean sender with that many connections.

    A frame sender if the address is that of a listener for GB/T 32960.
    """
    broker = Broker.from_url(url)
    if broker.edition is not None:
        return FrameSender(broker, edition=broker.edition, on_acknowledged=on_acknowledged, give_up_s=give_up_s)
    name = client_id or f"vanpulse-simulator-{os.getpid()}"
    if connections == 0:
        return ClientSender(broker, client_id=name, on_acknowledged=on_acknowledged, give_up_s=give_up_s, retain=retain)
    return LeanSender(
        broker,
        connections=connections,
        client_id=name,
        on_acknowledged=on_acknowledged,
        give_up_s=give_up_s,
        retain=retain,
    )


async def publish(
    messages: Iterable[Outgoing] | AsyncIterable[Sequence[Outgoing]],
    url: str = DEFAULT_URL,
    *,
    connections: int = 1,
    client_id: str | None = None,
    on_acknowledged: OnAcknowledged | None = None,
    give_up_s: float = 60.0,
) -> SendSummary:
    """Publish at QoS 1 and return when the broker has acknowledged everything.

    `messages` are single messages, or an asynchronous iterator of batches. `on_acknowledged` gets the number of each
    acknowledged message, counted from 0 in the order given. Raises `Unreachable` after `give_up_s` without a broker.
    """
    sender = make_sender(
        url, connections=connections, client_id=client_id, on_acknowledged=on_acknowledged, give_up_s=give_up_s
    )
    async with sender:
        if isinstance(messages, AsyncIterable):
            async for some in messages:
                await sender.send(some)
        else:
            batch: list[Outgoing] = []
            for message in messages:
                batch.append(message)
                if len(batch) == BATCH_MESSAGES:
                    await sender.send(batch)
                    batch = []
            await sender.send(batch)
        await sender.drain()
    return sender.summary
