"""Errors of this program at a reading or a tick: three tries, then a dead letter, and the van is as it was before.

What fails is the real step, after it has changed the van: as a division by zero in its last line would.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agent.config import Settings
from agent.errors import StoreUnavailable
from agent.messages import Batch, Message, MessageKind
from agent.shard import stepper as module
from agent.shard.care import WATCH_ALL_FROM
from tests.doubles import make_shard, until
from tests.servers.publishing import drive
from tests.test_worker import LOW, START_MS, Bench, encoded, undisturbed

Fails = Callable[[Any], bool]


def reading(vehicle_id: str, time_ms: int, soc_pct: float = 50.0) -> dict[str, object]:
    return {"vehicle_id": vehicle_id, "time": time_ms, "soc_pct": soc_pct, "latitude_deg": 52.5, "longitude_deg": 13.4}


def message(vehicle_id: str, *payloads: dict[str, object]) -> Message:
    content = payloads[0] if len(payloads) == 1 else payloads
    return Message(f"vans/{vehicle_id}/telemetry", json.dumps(content).encode())


DRIVES = [
    each for pair in zip(*(encoded(drive(f"van-{n}", start_ms=START_MS)) for n in (1, 2)), strict=True) for each in pair
]
POISON_MS = START_MS + 300_500
POISON = message("van-1", reading("van-1", POISON_MS, 1.0))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "disturbed")


def let_step_fail(monkeypatch: pytest.MonkeyPatch, fails: Fails) -> Counter[tuple[str, int]]:
    """Let the real step run and then raise. Returns how often it was tried with each reading."""
    real = module.step
    tried: Counter[tuple[str, int]] = Counter()

    def step(state: Any, given: Any, *rest: Any) -> Any:
        records = real(state, given, *rest)
        if fails(given):
            tried[given.vehicle_id, given.time_ms] += 1
            raise ZeroDivisionError("division by zero")
        return records

    monkeypatch.setattr(module, "step", step)
    return tried


async def test_a_poison_message_is_set_aside_and_changes_nothing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = await undisturbed(tmp_path / "whole", DRIVES)
    tried = let_step_fail(monkeypatch, lambda given: given.time_ms == POISON_MS)
    await bench.start()
    await bench.append([*DRIVES[:100], POISON, *DRIVES[100:]])
    await bench.done()
    assert bench.store.points == expected
    assert tried == {("van-1", POISON_MS): 3}
    (letter,) = bench.journal.dead_letters()
    assert (letter.key, letter.reason, letter.sender, letter.payload) == (
        (100, 0),
        "malformed",
        "van-1",
        POISON.payload,
    )
    assert letter.detail.startswith("set aside after 3 tries: ZeroDivisionError: division by zero")
    assert bench.worker.rewinds == 1
    counters = bench.shard.counters
    assert (counters.messages, counters.rejected["malformed"], counters.internal_errors) == (361, 1, 1)
    # A further one is met with care: nothing has to be worked through again.
    await bench.append([message("van-1", reading("van-1", POISON_MS, 2.0))])
    await bench.done()
    assert bench.worker.rewinds == 1
    assert tried["van-1", POISON_MS] == 6
    assert [letter.offset for letter in bench.journal.dead_letters()] == [100, 361]
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [
        "error of this program in a message under 'vans/van-1/telemetry'; further ones are only counted"
    ]
    await bench.finish()


async def test_an_error_that_passes_loses_nothing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = await undisturbed(tmp_path / "whole", DRIVES)
    left = [2]

    def twice(given: Any) -> bool:
        left[0] -= given.vehicle_id == "van-2" and given.time_ms > START_MS + 300_000
        return given.vehicle_id == "van-2" and given.time_ms > START_MS + 300_000 and left[0] >= 0

    let_step_fail(monkeypatch, twice)
    await bench.start()
    await bench.append(DRIVES)
    await bench.done()
    assert bench.store.points == expected
    assert list(bench.journal.dead_letters()) == []
    await bench.finish()


async def test_the_good_elements_beside_a_poison_one_count(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    let_step_fail(monkeypatch, lambda given: given.time_ms == START_MS + 1000)
    await bench.start()
    await bench.append([message("van-1", *(reading("van-1", START_MS + n * 1000) for n in range(3)))])
    await bench.done()
    assert sorted(time_ms for _, _, time_ms in bench.store.of("battery")) == [START_MS, START_MS + 2000]
    (letter,) = bench.journal.dead_letters()
    assert "(1 of 3 elements, counted from 0: 1)" in letter.detail
    await bench.finish()


async def test_while_the_store_is_away_only_the_poisoned_van_rests(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = await undisturbed(tmp_path / "whole", DRIVES)
    let_step_fail(monkeypatch, lambda given: given.time_ms == POISON_MS)
    await bench.start()
    bench.store.away = StoreUnavailable("connection refused")
    await bench.append([*DRIVES[:100], POISON, *DRIVES[100:]])
    await until(lambda: bench.worker.ahead and not bench.worker.backlog)
    end_ms = START_MS + 179 * 10_000
    assert bench.shard.vans.state("van-2").time_ms == end_ms > bench.shard.vans.state("van-1").time_ms
    bench.store.away = None
    await until(lambda: not bench.worker.ahead)
    await bench.done()
    assert bench.shard.vans.state("van-1").time_ms == end_ms
    assert bench.store.points == expected
    await bench.finish()


async def test_alerts_of_a_van_that_rested_are_told_afterwards(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    let_step_fail(monkeypatch, lambda given: given.time_ms == START_MS - 1)
    await bench.start()
    await bench.append([message("van-2", reading("van-2", START_MS - 1)), *LOW[:2]])
    await bench.done()
    await until(lambda: bench.notified)
    assert bench.notified == ["van-2"]
    assert b"soc_low" in bench.shard.active_alerts("van-2")
    await bench.finish()


async def test_when_every_van_fails_it_goes_back_a_few_times_only(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_step_fail(monkeypatch, lambda given: given.soc_pct == 13.0)
    await bench.start()
    vans = [f"van-{n}" for n in range(5 * WATCH_ALL_FROM)]
    for n, vehicle_id in enumerate(vans):
        await bench.append(
            [message(vehicle_id, reading(vehicle_id, START_MS, 50.0), reading(vehicle_id, START_MS + 1, 13.0))]
        )
        await until(lambda n=n: bench.worker.position == n + 1 and not bench.worker.ahead)
    await bench.done()
    assert bench.worker.rewinds <= WATCH_ALL_FROM
    assert {vehicle_id for _, vehicle_id, _ in bench.store.of("battery")} == set(vans)
    assert bench.journal.status.dead_letters == len(vans)
    await bench.finish()


async def test_a_tick_that_fails_for_one_van_passes_for_the_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = module.tick

    def tick(state: Any, *rest: Any) -> Any:
        records = real(state, *rest)
        if state.vehicle_id == "van-1":
            state.totals.distance_km = -1.0  # half-changed
            raise ZeroDivisionError("division by zero")
        return records

    monkeypatch.setattr(module, "tick", tick)
    silent_ms = START_MS + 7_200_000 + 3_600_000
    await bench.start()
    await bench.append([*DRIVES, Message("", b"%d" % silent_ms, qos=0, kind=MessageKind.TICK)])
    await bench.done()
    assert bench.shard.totals().offline == 1
    assert bench.shard.vans.state("van-1").totals.distance_km > 1.0
    assert bench.shard.counters.internal_errors == 1
    await bench.finish()


async def test_a_decoder_that_fails_is_asked_three_times(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = bench.shard._decoder
    real = decoder.decode
    tried = Counter[bytes]()

    def decode(given: Message, received_ms: int) -> Any:
        tried[given.payload] += 1
        if given.payload == b"poison" or (given.payload == b"once" and tried[given.payload] < 2):
            raise RecursionError("too deep")
        return real(given if given.payload != b"once" else DRIVES[0], received_ms)

    monkeypatch.setattr(decoder, "decode", decode)
    await bench.start()
    await bench.append([Message("vans/van-9/soc", b"poison"), Message("vans/van-1/telemetry", b"once"), *DRIVES[1:]])
    await bench.done()
    assert (tried[b"poison"], tried[b"once"]) == (3, 2)
    (letter,) = bench.journal.dead_letters()
    assert (letter.reason, letter.detail) == ("malformed", "set aside after 3 tries: RecursionError: too deep")
    assert len(bench.store.of("battery")) == 360
    await bench.finish()


class Death(BaseException):
    """An end of the process that no handler catches: a fault in a library, or SIGKILL."""


async def test_a_message_that_ends_the_process_is_set_aside_after_three_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = await undisturbed(tmp_path / "whole", DRIVES)
    real = module.step
    deaths = 0

    def step(state: Any, given: Any, *rest: Any) -> Any:
        nonlocal deaths
        if given.time_ms == POISON_MS:
            deaths += 1
            raise Death
        return real(state, given, *rest)

    monkeypatch.setattr(module, "step", step)
    for life in range(10):
        bench = Bench(tmp_path, checkpoint_every_s=3600.0)
        await bench.start()
        if not life:
            await bench.append([*DRIVES[:100], POISON, *DRIVES[100:]], size=1000)
        await until(lambda bench=bench: not bench.worker.backlog or bench.tasks[1].done())
        if not bench.tasks[1].done():
            break
        with suppress(Death):
            await bench.tasks[1]
        bench.tasks.pop()
        await bench.crash()
    assert (life, deaths) == (3, 3)
    (letter,) = bench.journal.dead_letters()
    assert (letter.offset, letter.reason) == (100, "malformed")
    assert letter.detail == "set aside: the process has ended 3 times while it was working on this message"
    await bench.finish()
    assert bench.store.points == expected


def test_a_tick_that_completes_the_values_of_a_van_that_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, it ended the agent again after each restart, since value and tick are in the journal."""
    monkeypatch.setenv("VANPULSE_FLEET__UNKNOWN_VEHICLES", "reject")
    shard = make_shard(dialects=["native", "ovms"], settings=Settings())
    messages = [
        Message("ovms/van-x/van-x/metric/v/b/soc", b"50"),
        Message("", b"%d" % (START_MS + 10_000), qos=0, kind=MessageKind.TICK),
    ]
    shard.process(Batch(0, START_MS, START_MS, messages), 0, 2)
    assert shard.counters.messages == 2
    assert shard.counters.rejected["unknown_vehicle"] == 1
    assert list(shard.vans) == []
