"""The broker's side of one MQTT 5 connection, for measuring PUBLISH → PUBACK at the agent alone.

The result would include the delays of a real broker. This one only sends messages at a given rate, within the agent's
Receive Maximum, and notes the time of each PUBACK.
"""

import asyncio
import time

import mqtt5

TURN_S = 0.001


class MeasuringBroker:
    """Serves one subscriber."""

    def __init__(self) -> None:
        self.port = 0
        self.latencies_s: list[float] = []
        self._subscribed = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._sent_s: dict[int, float] = {}
        self._window = 65_535
        self._room = asyncio.Event()
        self._next_id = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port of the loopback interface."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the connection and the port."""
        if self._writer is not None:
            self._writer.close()
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        waiting = b""
        while chunk := await reader.read(2**16):
            now = time.perf_counter()
            waiting += chunk
            at = 0
            while at + 4 <= len(waiting) and waiting[at] == 0x40 and waiting[at + 1] == 2:
                sent = self._sent_s.pop(int.from_bytes(waiting[at + 2 : at + 4], "big"), None)
                if sent is not None:
                    self.latencies_s.append(now - sent)
                at += 4
            waiting = self._other(waiting[at:], writer)
            self._room.set()

    def _other(self, waiting: bytes, writer: asyncio.StreamWriter) -> bytes:
        """Answer packets other than PUBACK. Returns the bytes of an incomplete packet."""
        while waiting and not (waiting[0] == 0x40 and len(waiting) < 4):
            try:
                packet, length = mqtt5.read(memoryview(waiting))
            except IndexError:
                break
            waiting = waiting[length:]
            match packet:
                case mqtt5.ConnectPacket():
                    self._window = packet.receive_max
                    writer.write(mqtt5.ConnAckPacket().write())
                case mqtt5.SubscribePacket():
                    granted = [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE for _ in packet.topic_filters]
                    writer.write(mqtt5.SubAckPacket(packet.packet_id, granted).write())
                    self._subscribed.set()
                case mqtt5.PingReqPacket():
                    writer.write(mqtt5.PingRespPacket().write())
                case mqtt5.PubAckPacket():
                    self._sent_s.pop(packet.packet_id, None)
        return waiting

    async def send(self, messages: list[tuple[str, bytes]], *, per_s: float) -> float:
        """Send all messages at this rate. Returns the rate that was reached when everything is acknowledged."""
        await self._subscribed.wait()
        assert self._writer is not None
        began = time.perf_counter()
        number = 0
        while number < len(messages):
            due = min(len(messages), int((time.perf_counter() - began) * per_s) + 1)
            out = []
            while number < due and len(self._sent_s) < self._window:
                packet_id = self._next_id = self._next_id % 65_535 + 1
                topic, payload = messages[number]
                out.append(
                    mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=packet_id).write()
                )
                self._sent_s[packet_id] = time.perf_counter()
                number += 1
            if out:
                self._writer.write(b"".join(out))
            if len(self._sent_s) >= self._window:
                self._room.clear()
                await self._room.wait()
            else:
                await asyncio.sleep(TURN_S)
        while self._sent_s:
            self._room.clear()
            await self._room.wait()
        return len(messages) / (time.perf_counter() - began)
