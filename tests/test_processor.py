"""What the journal's messages become, seen where a fleet's life is told by the arrival times of its batches."""

import json
from collections.abc import Sequence

from agent.messages import Batch, Kind, Message
from agent.processor import Processor
from tests.doubles import make_processor

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
NOON_MS = 1_790_000_000_000 // DAY_MS * DAY_MS + 12 * HOUR_MS


class Desk:
    """A processor that is handed batches one after the other."""

    def __init__(self, processor: Processor | None = None) -> None:
        self.processor = processor or make_processor()
        self.offset = 0
        self.listening_since_ms = NOON_MS - HOUR_MS

    def process(self, received_ms: int, *messages: Message) -> None:
        batch = Batch(self.offset, received_ms, self.listening_since_ms, list(messages))
        self.offset = batch.end
        self.processor.process(batch, 0, len(messages))

    def tick(self, now_ms: int) -> None:
        self.process(now_ms, Message("", b"%d" % now_ms, qos=0, kind=Kind.TICK))

    def rows(self, measurement: str) -> list[tuple[object, ...]]:
        """The rows of one measurement since the last call; all others are let go."""
        return self.processor.take_rows()[0][measurement]


def telemetry(time_ms: int, *, van: str = "van-1", **fields: object) -> Message:
    content = {"time": time_ms, "soc_pct": 60.0, "latitude_deg": 52.0, "longitude_deg": 13.0, **fields}
    return Message(f"vans/{van}/telemetry", json.dumps(content).encode())


def minutes_of(rows: Sequence[tuple[object, ...]]) -> list[int]:
    return [(int(str(row[1])) - NOON_MS) // MINUTE_MS for row in rows]


def test_fleet_points_go_on_at_once_when_the_clock_is_set_back() -> None:
    """The clock was an hour ahead for two minutes; a restart in between must not make the agent wait for it either."""
    desk = Desk()
    desk.process(NOON_MS, telemetry(NOON_MS - 1000))
    for minute in (60, 61):
        desk.tick(NOON_MS + minute * MINUTE_MS)
    assert minutes_of(desk.rows("fleet")) == [60, 61]
    states = {key: state for chunk in desk.processor.snapshot() for key, state in chunk.items()}
    desk.processor.restore(states.items())
    for seconds in range(120, 301, 10):
        desk.tick(NOON_MS + seconds * 1000)
    assert minutes_of(desk.rows("fleet")) == [2, 3, 4, 5]


def test_a_clock_corrected_by_a_moment_rolls_no_minute_up_twice() -> None:
    desk = Desk()
    desk.process(NOON_MS, telemetry(NOON_MS - 1000))
    for now_ms in (NOON_MS + MINUTE_MS + 2, NOON_MS + MINUTE_MS - 40, NOON_MS + MINUTE_MS + 9_960):
        desk.tick(now_ms)
    assert minutes_of(desk.rows("fleet")) == [1]


def test_what_is_counted_of_the_vans_never_falls_on_a_rewind() -> None:
    """Two positions on the other side of the world are refused; the agent returns to a checkpoint before them."""
    desk = Desk()
    for second in range(30):
        desk.process(NOON_MS + second * 1000, telemetry(NOON_MS + second * 1000))
    states = {key: state for chunk in desk.processor.snapshot() for key, state in chunk.items()}
    for second in (30, 31):
        desk.process(NOON_MS + second * 1000, telemetry(NOON_MS + second * 1000, latitude_deg=-40.0 - second))
    assert desk.processor.survey().positions_rejected == 2
    desk.processor.restore(states.items())
    assert desk.processor.survey().positions_rejected == 2
    for second in (30, 31, 32):
        desk.process(NOON_MS + second * 1000, telemetry(NOON_MS + second * 1000, latitude_deg=-40.0 - second))
    assert desk.processor.survey().positions_rejected == 3
