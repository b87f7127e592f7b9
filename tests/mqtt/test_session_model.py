"""Session against a model of a broker in memory, with receive maximum, redelivery and sessions, as a state machine."""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar, cast

import mqtt5
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agent.backoff import Backoff
from agent.gathering import READ_EVERY_S
from agent.mqtt.address import BrokerAddress
from agent.mqtt.base import Delivery, ReceiverCounters
from agent.mqtt.codec import WireEvents
from agent.mqtt.options import MqttOptions
from agent.mqtt.session import Session
from agent.mqtt.wire import Wire
from tests.mqtt.conftest import options_for

WINDOW = 5


class MemoryTransport:
    """An asyncio transport: keeps what is written; holds the broker's bytes while reading is paused."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        self.protocol = protocol
        self.written = bytearray()
        self.incoming = bytearray()
        self.reading = True
        self.closing = False

    def write(self, data: bytes) -> None:
        assert not self.closing, "nothing may be written to a closed connection"
        self.written += data

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def get_extra_info(self, _name: str) -> None:
        return None

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self.closing:
            self.closing = True
            self.protocol.connection_lost(None)


class MemoryWire(Wire):
    """MQTT 5 over a transport in memory."""

    made: ClassVar[list["MemoryWire"]]

    def __init__(
        self, options: MqttOptions, address: BrokerAddress, events: WireEvents, counters: ReceiverCounters
    ) -> None:
        super().__init__(options, address, events, counters)
        self.transport = MemoryTransport(self)
        self.made.append(self)

    async def open(self) -> None:
        self.connection_made(cast("asyncio.BaseTransport", self.transport))


class SessionModel(RuleBasedStateMachine):
    """The broker: `queue` is not sent yet, `inflight` is sent and not acknowledged, by packet id."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.queue: list[bytes] = []
        self.inflight: dict[int, bytes] = {}
        self.sent: list[int] = []
        """Packet ids sent on the present connection, in order."""
        self.acked: list[int] = []
        """Packet ids acknowledged on the present connection, in order."""
        self.next_id = self.issued = 0
        self.done: set[bytes] = set()
        self.delivered: list[Delivery] = []
        self.journaled: set[bytes] = set()
        self.lost: set[bytes] = set()
        self.connected = False
        self.session_exists = False
        self.read_up_to = 0

    @initialize()
    def start(self) -> None:
        async def make() -> None:
            MemoryWire.made = []
            options = options_for(1, filters=("#",), receive_maximum=WINDOW, session_expiry_s=60, keepalive_s=0)
            self.receiver = Session(options, wire=MemoryWire, backoff=Backoff(first_s=0.0, cap_s=0.0))
            self.task = asyncio.create_task(self.receiver.run(self.delivered.append))

        self.loop.run_until_complete(make())
        self.turn()

    def turn(self, times: int = 6) -> None:
        """Let the receiver's tasks and timers run."""
        for _ in range(times):
            self.loop.run_until_complete(asyncio.sleep(0))

    @property
    def wire(self) -> MemoryWire:
        return MemoryWire.made[-1]

    @property
    def is_connecting(self) -> bool:
        """Whether the client has sent its CONNECT and waits for the answer."""
        return bool(MemoryWire.made and self.wire.transport.written and not self.wire.transport.closing)

    def packets(self) -> list[mqtt5.Packet]:
        """The packets that the client has written since the last call."""
        written, result = bytes(self.wire.transport.written), []
        while self.read_up_to < len(written):
            packet, length = mqtt5.read(memoryview(written)[self.read_up_to :])
            self.read_up_to += length
            result.append(packet)
        return result

    def flow(self) -> None:
        """Move bytes both ways until nothing moves."""
        transport = self.wire.transport
        self.turn(2)
        if transport.incoming and not transport.closing:
            if not transport.reading and not self.receiver.counters.paused:
                self.loop.run_until_complete(asyncio.sleep(1.5 * READ_EVERY_S))
            if transport.reading:
                data, transport.incoming = bytes(transport.incoming), bytearray()
                self.loop.run_until_complete(self.arrive(data))
        for packet in self.packets():
            match packet:
                case mqtt5.PubAckPacket():
                    assert packet.packet_id in self.inflight, "an acknowledgement of nothing"
                    self.done.add(self.inflight.pop(packet.packet_id))
                    self.acked.append(packet.packet_id)
                case mqtt5.SubscribePacket():
                    granted = [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]
                    transport.incoming += mqtt5.SubAckPacket(packet.packet_id, granted).write()

    async def arrive(self, data: bytes) -> None:
        self.wire.data_received(data)

    def send(self, packet_id: int, payload: bytes, *, duplicate: bool) -> None:
        self.sent.append(packet_id)
        qos = mqtt5.QoS.AT_LEAST_ONCE
        packet = mqtt5.PublishPacket("vans/a/soc", payload, qos=qos, packet_id=packet_id, duplicate=duplicate)
        self.wire.transport.incoming += packet.write()

    @precondition(lambda self: not self.connected)
    @rule(keep=st.booleans())
    def accept(self, keep: bool) -> None:
        while not self.is_connecting:
            self.loop.run_until_complete(asyncio.sleep(0.001))
        self.read_up_to = 0
        self.sent, self.acked = [], []
        connect = self.packets()[0]
        assert isinstance(connect, mqtt5.ConnectPacket)
        assert not connect.clean_start
        keep = keep and self.session_exists
        if not keep:
            self.lost |= set(self.queue) | set(self.inflight.values())
            self.queue, self.inflight, self.next_id = [], {}, 0
        self.session_exists = self.connected = True
        self.wire.transport.incoming += mqtt5.ConnAckPacket(session_present=keep).write()
        for packet_id, payload in self.inflight.items():
            self.send(packet_id, payload, duplicate=True)
        self.flow()

    @rule(count=st.integers(1, 8))
    def publish(self, count: int) -> None:
        for _ in range(count):
            self.queue.append(b"%d" % self.issued)
            self.issued += 1

    @precondition(lambda self: self.connected)
    @rule(together=st.booleans())
    def deliver(self, together: bool) -> None:
        while self.queue and len(self.inflight) < WINDOW:
            while self.next_id == 0 or self.next_id in self.inflight:
                self.next_id = self.next_id % (WINDOW + 1) + 1  # ids are used again soon
            payload = self.queue.pop(0)
            self.inflight[self.next_id] = payload
            self.send(self.next_id, payload, duplicate=False)
            if not together:
                self.flow()
        self.flow()

    @rule(count=st.integers(1, 3))
    def acknowledge(self, count: int) -> None:
        for delivery in self.delivered[:count]:
            self.journaled |= {message.payload for message in delivery.messages}
            self.receiver.acknowledge(delivery)
        del self.delivered[:count]
        if self.connected:
            self.flow()

    @precondition(lambda self: self.connected)
    @rule()
    def drop(self) -> None:
        self.connected = False
        self.wire.transport.abort()
        self.turn()

    @rule(pause=st.booleans())
    def hold(self, pause: bool) -> None:
        (self.receiver.pause if pause else self.receiver.resume)()
        if self.connected:
            self.flow()

    @invariant()
    def acknowledged_is_a_prefix_of_sent(self) -> None:
        assert self.acked == self.sent[: len(self.acked)]

    @invariant()
    def only_what_was_journaled_is_acknowledged(self) -> None:
        assert self.done <= self.journaled

    def teardown(self) -> None:
        if hasattr(self, "receiver"):
            self.receiver.resume()
            while not self.connected:
                self.accept(True)
            for _ in range(100):
                self.deliver(True)
                self.acknowledge(10)
                self.flow()
                if not self.queue and not self.inflight:
                    break
            everything = {b"%d" % number for number in range(self.issued)}
            assert everything - self.lost <= self.journaled, "a message got stuck"
            self.loop.run_until_complete(self.receiver.stop())
            self.loop.run_until_complete(asyncio.wait_for(self.task, 5.0))
        self.loop.close()


SessionModel.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestSession: Callable[..., Any] = SessionModel.TestCase
