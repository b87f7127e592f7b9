"""The rate limit: which messages it refuses, and which it must not refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.dialects.decoder import Decoder, make_dialects
from agent.messages import Message
from agent.throttle import DEFAULT_BURST, NAMED, QUIET_SHARE, SENDERS_KEPT, Throttle

NATIVE = Decoder(make_dialects(["native"]))
WEEK_S = 7 * 86_400


def throttle(*, rate_per_s: float = 10.0, burst: int = 100) -> Throttle:
    return Throttle(NATIVE.sender, rate_per_s=rate_per_s, burst=burst)


def message(van: str = "van-1", *, size: int = 200, kind: str = "telemetry") -> Message:
    return Message(f"vans/{van}/{kind}", b"x" * size)


def taken(limit: Throttle, arrivals_s: list[float], **what: object) -> int:
    """How many of these messages, each in a delivery of its own, are taken in."""
    return sum(not limit.refuse([message(**what)], 1000.0 + at_s) for at_s in arrivals_s)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("title", "arrivals_s", "passed"),
    [
        ("a van once a second", [float(i) for i in range(1000)], 1000),
        ("a van at ten per second", [i / 10 for i in range(1000)], 1000),
        ("a burst of one moment", [0.0] * 150, 100),
        ("mad: 1000 per second for 10 s", [i / 1000 for i in range(10_000)], 100 + 100),
    ],
)
def test_scenarios(title: str, arrivals_s: list[float], passed: int) -> None:
    assert taken(throttle(), arrivals_s) == pytest.approx(passed, abs=1), title


def test_the_buffer_of_a_week_comes_through_at_once_whatever_its_readings_times_are() -> None:
    """A reading a second, or six times as many as vans mostly send, that all arrive in the same moment."""
    assert DEFAULT_BURST == WEEK_S
    limit = Throttle(NATIVE.sender)
    assert limit.refuse([message()] * WEEK_S, 1000.0) == []
    # The little that is not looked up comes on top.
    refused = limit.refuse([message()] * 1000, 1000.0)
    assert len(refused) == pytest.approx(1000, abs=WEEK_S // QUIET_SHARE)


def test_a_flood_is_not_excused_by_the_times_that_it_claims() -> None:
    """Nothing in a message is looked at: what counts is that it arrived."""
    limit = throttle()
    claims = [
        Message("vans/van-1/telemetry", b'{"time": %d, "soc_pct": 50}' % (day * 86_400_000)) for day in range(500)
    ]
    assert len(limit.refuse(claims, 1000.0)) == 400


def test_all_topics_of_a_van_are_one_sender() -> None:
    limit = throttle()
    sent = [message(kind=kind) for kind in ("soc", "location", "telemetry", "load") for _ in range(50)]
    assert len(limit.refuse(sent, 1000.0)) == 100


def test_a_large_message_counts_for_each_256_bytes() -> None:
    """60,000 bytes are 235 units of 256 (234.4, begun ones counted); 10 of them fit into a burst of 2,350."""
    assert taken(throttle(burst=2350), [0.0] * 20, size=60_000) == 10
    assert taken(throttle(burst=100), [0.0], size=60_000) == 0


def test_a_van_recovers_when_it_calms_down() -> None:
    limit = throttle()
    assert taken(limit, [0.0] * 200) == 100
    assert taken(limit, [float(i) for i in range(1, 60)]) == 59


def test_one_van_gone_mad_does_not_touch_another() -> None:
    limit = throttle()
    for i in range(1000):
        now_s = 1000.0 + i / 100
        batch = [message("mad")] * 10 + ([message("calm")] if i % 100 == 0 else [])
        assert 10 not in limit.refuse(batch, now_s)
    assert limit.refused.keys() == {"mad"}
    assert limit.refused["mad"] == pytest.approx(10_000 - 100 - 100, abs=2)


def test_what_is_remembered_is_bounded_however_many_names_a_sender_uses() -> None:
    limit = throttle(burst=1)
    taken(limit, [0.0] * 3, van="mad")
    for i in range(2 * SENDERS_KEPT):
        limit.refuse([message(f"van-{i}")] * 2, 1000.0 + i / 1e6)
    assert len(limit.refused) <= NAMED + 1
    assert sum(limit.refused.values()) == 2 + 2 * SENDERS_KEPT
    # Whoever owes something is not forgotten in between.
    assert limit.refuse([message("mad")], 1000.05) == [0]


def test_a_topic_that_names_nobody_is_not_limited() -> None:
    gateway = Throttle(Decoder(make_dialects(["gbt32960"])).sender, rate_per_s=1, burst=5)
    shared = [Message("gbt32960/upstream/info", b"{}")] * 100
    assert gateway.refuse(shared, 1000.0) == []
    own = [Message("gbt32960/LSGBTTEST00000001/upstream/info", b"{}")] * 100
    assert len(gateway.refuse(own, 1000.0)) == 95


@pytest.mark.parametrize(
    ("dialect", "topic", "sender"),
    [
        ("native", "vans/van-1/telemetry", "van-1"),
        ("native", "vans/van-1/no/such/kind", "van-1"),
        ("native", "vans/", None),
        ("ovms", "ovms/van-1/van-1/metric/v/b/soc", "van-1"),
        ("ovms", "ovms/user/any-name/metric/v/b/soc", "ovms/user"),
        ("ovms", "ovms/user/other/metric/v/b/soc", "van-9"),
        ("ovms", "ovms/user/van-1/client/x", None),
        ("saic", "saic/user/vehicles/LSJTEST0000000001/drivetrain/soc", "LSJTEST0000000001"),
        ("vss", "vss/van-1", "van-1"),
        ("vss", "vss/van-1/Vehicle/Speed", "van-1"),
        ("teslamate", "teslamate/cars/1/speed", "1"),
        ("gbt32960", "gbt32960/LSGBTTEST00000001/upstream/info", "LSGBTTEST00000001"),
        ("gbt32960", "gbt32960/gateway/upstream/info", None),
        ("native", "elsewhere/van-1", None),
    ],
)
def test_the_sender_that_a_topic_names(dialect: str, topic: str, sender: str | None) -> None:
    assert Decoder(make_dialects([dialect], identities={"user/other": "van-9"})).sender(topic) == sender


@given(st.lists(st.tuples(st.floats(0, 2), st.sampled_from("ab"), st.integers(0, 2000)), max_size=200))
def test_nobody_is_given_more_than_burst_and_rate(arrivals: list[tuple[float, str, int]]) -> None:
    limit, now_s, used = throttle(rate_per_s=5, burst=20), 0.0, {"a": 0, "b": 0}
    for gap_s, van, size in arrivals:
        now_s += gap_s
        if not limit.refuse([message(van, size=size)], now_s):
            used[van] += 1 + size // 256
            assert used[van] <= 20 + 5 * now_s + 1e-6
