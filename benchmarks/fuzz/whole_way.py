"""Sends inputs through the agent and checks the results."""

import math
import time
from collections import Counter
from typing import Any

import mqtt5

from agent.config import EmissionsSettings, FleetFile, FleetSettings
from agent.dialects.decoder import Decoder, make_dialects
from agent.dialects.names import NAMES
from agent.dialects.presets import PRESETS
from agent.messages import Batch, Message, MessageKind
from agent.mqtt.base import ReceiverCounters
from agent.mqtt.packet_decoder import PacketDecoder, ProtocolError
from agent.points.measurements import MEASUREMENTS
from agent.shard.output import ShardOutput
from agent.shard.roster import Roster
from agent.shard.shard import Shard

VANS_LIMIT = 500
MAX_PACKET_BYTES = 65_536
LARGEST_STATE_BYTES = 16_384
SLOWEST_S = 2.0
"""An input that takes longer than this counts as a hang."""


class Violation(Exception):
    """An invariant is violated."""


class Agent:
    """Decode, step and points as in the daemon, without a store."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.points = 0
        self.slowest_s = 0.0
        self._offset = 0
        roster = Roster(
            FleetFile(),
            fleet_settings=FleetSettings(max_unknown_vehicles=VANS_LIMIT),
            emissions=EmissionsSettings(),
            derived_every_s=10.0,
        )
        decoder = Decoder(make_dialects([*NAMES, *PRESETS], identities=roster.identities, max_vans=VANS_LIMIT))
        self.shard = Shard(decoder, roster)

    def take(self, messages: list[Message], received_ms: int) -> None:
        """Process these messages and a tick, and check all results."""
        if received_ms // 10_000 != (received_ms - 100) // 10_000:
            messages = [*messages, Message("", b"%d" % received_ms, kind=int(MessageKind.TICK))]
        batch = Batch(self._offset, received_ms, 0, messages)
        self._offset = batch.end
        before = self.shard.counters.internal_errors
        out = ShardOutput()
        for index in range(len(messages)):
            started = time.process_time()
            out.add(self.shard.process(batch, index, index + 1))
            taken = time.process_time() - started
            if taken > self.slowest_s:
                self.slowest_s = taken
        letters = out.dead_letters
        if self.shard.counters.internal_errors != before:
            letter = next(each for each in letters if each.detail.startswith("internal error"))
            raise Violation(f"{letter.detail} for {letter.topic!r} {letter.payload!r}")
        if self.slowest_s > SLOWEST_S:
            raise Violation(f"{self.slowest_s:.1f} s for one of {[message.payload[:200] for message in messages]!r}")
        self.outcomes.update(letter.reason for letter in letters)
        for letter in letters:
            if len(letter.detail) > 1000:
                raise Violation(f"a detail of {len(letter.detail)} characters: {letter.detail[:200]}")
        self._check_rows(out)

    def check_states(self) -> int:
        """The size of the largest van state in a checkpoint. Also checks that all states can be restored."""
        states = {key: value for chunk in self.shard.snapshot() for key, value in chunk.items()}
        self.shard.restore(states.items())
        largest = max(map(len, states.values()))
        if largest > LARGEST_STATE_BYTES or len(states) > VANS_LIMIT * (len(NAMES) + 1):
            raise Violation(f"{len(states)} states, the largest of {largest} bytes")
        return largest

    def _check_rows(self, out: ShardOutput) -> None:
        self.points += out.row_count
        for name, table in out.rows.items():
            types = [field.type for field in MEASUREMENTS[name].fields]
            for _, time_ms, *values in table:
                if type(time_ms) is not int:
                    raise Violation(f"{name}: time {time_ms!r}")
                for kind, value in zip(types, values, strict=True):
                    _check_value(name, kind, value)


def _check_value(name: str, kind: str, value: Any) -> None:
    if value is None:
        return
    right = {
        "float": isinstance(value, float | int) and math.isfinite(value),
        "integer": isinstance(value, int) and -(2**63) <= value < 2**63,
        "boolean": isinstance(value, bool),
        "text": isinstance(value, str),
    }[kind]
    if not right:
        raise Violation(f"{name}: {value!r} is no finite {kind}")


class Splitter:
    """The receiver's decoding from bytes to messages. It uses a new connection after one that had to end."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self._counters = ReceiverCounters()
        self._decoder = self._connect()

    def take(self, reads: list[bytes]) -> list[Message]:
        """The messages in these reads."""
        messages: list[Message] = []
        packet_ids: list[int] = []
        try:
            for data in reads:
                self._decoder.feed(data, messages, packet_ids)
        except ProtocolError:
            self.outcomes["connection ended"] += 1
            self._decoder = self._connect()
        for message in messages:
            if len(message.payload) > MAX_PACKET_BYTES or message.qos not in {0, 1, 2}:
                raise Violation(f"a message that the journal cannot keep: {message!r}")
        self.outcomes.update(MessageKind(message.kind).name.lower() for message in messages)
        return messages

    def reconnect(self) -> None:
        """Handle a connection that becomes silent within a packet, as the client does."""
        self._decoder = self._connect()

    def _connect(self) -> PacketDecoder:
        return PacketDecoder(
            max_packet_bytes=MAX_PACKET_BYTES,
            hard_limit_bytes=4 * MAX_PACKET_BYTES,
            counters=self._counters,
            on_control=_passed_over,
        )


def _passed_over(packet: mqtt5.Packet) -> bool:
    del packet
    return False
