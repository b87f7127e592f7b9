"""GB/T 32960 as frames: the envelope, the blocks, and the reading that a report becomes."""

from contextlib import suppress
from functools import reduce
from itertools import pairwise
from operator import xor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.dialects.gbt32960 import Gbt32960Dialect
from agent.dialects.gbt32960_blocks import time_and_blocks
from agent.dialects.gbt32960_frame import MAX_DATA_BYTES, Answer, FrameReader, answer_to, check_byte, parse_frame
from agent.errors import Rejected
from agent.messages import Message, MessageKind
from agent.readings import Reading
from simulator.dialects.gbt32960 import Gbt32960
from simulator.frame_sender import report_frame
from tests.dialects.gbt32960_vectors import (
    BLOCKS_2016,
    BLOCKS_2025,
    EVENT_MS,
    LOGIN,
    LOGIN_ANSWER,
    TIME,
    VEHICLE_HEAD,
    VIN,
    frame,
    octets,
    report,
)
from tests.dialects.senders import ask, reason

TOPIC = f"gbt32960/{VIN}/frame"


def dialect(**settings: Any) -> Gbt32960Dialect:
    return Gbt32960Dialect(**{"identities": {}, "current_sign": "positive_out"} | settings)


def read(payload: bytes, topic: str = TOPIC, **settings: Any) -> Reading:
    (item,) = dialect(**settings).decode(Message(topic, payload), EVENT_MS + 400)
    assert isinstance(item, Reading), item
    return item


def refusal(payload: bytes) -> str | None:
    return reason(ask(dialect(), TOPIC, payload, EVENT_MS))


def expected(**more: Any) -> Reading:
    """What the figures in the comments of the vectors say. 538.2 V × 86.5 A = 46.5543 kW out of the battery."""
    return Reading(
        vehicle_id=VIN,
        time_ms=EVENT_MS,
        soc_pct=62.0,
        speed_kmh=41.5,
        odometer_km=12883.4,
        voltage_v=538.2,
        current_a=-86.5,
        battery_power_kw=pytest.approx(-46.5543),
        battery_temp_c=25.0,
        latitude_deg=52.520712,
        longitude_deg=13.404954,
        charging=False,
        **more,
    )


def test_a_report_of_2016() -> None:
    assert read(report()) == expected()


def test_a_report_of_2025() -> None:
    assert read(report(BLOCKS_2025, edition=2025)) == expected()


def test_the_coordinates_of_2025_may_be_gcj02() -> None:
    shifted = read(report(BLOCKS_2025.replace("05 00 01 ", "05 00 02 "), edition=2025))
    # Outside of China GCJ-02 is WGS 84.
    assert (shifted.latitude_deg, shifted.longitude_deg) == (52.520712, 13.404954)


def test_what_follows_an_unknown_block_is_lost_and_the_rest_stays() -> None:
    only_vehicle = read(report(f"{VEHICLE_HEAD}\n12 00\n80 0004 01020304\n{BLOCKS_2016}"))
    assert (only_vehicle.soc_pct, only_vehicle.latitude_deg) == (62.0, None)


def test_counts_that_mean_invalid_are_followed_by_nothing() -> None:
    blocks = f"{VEHICLE_HEAD}\n12 00\n02 FF\n07 00 00000000 FE FF FF FE\n09 FE\n05 00 00CC8B1A 03216708"
    assert read(report(blocks)).latitude_deg == 52.520712


def test_every_block_of_2016_has_its_length() -> None:
    others = """
    03 1000 1000 0100 0002 50 51 0300 01 0010 01 0100 01 01   fuel cell with two probes
    04 01 0BB8 0100                                           engine
    08 01 01 1506 2A71 0060 0001 02 0E74 0E60                 one subsystem, two of 96 cells in this frame
    09 01 01 0002 43 3F                                       one subsystem, two probes
    05 00 00CC8B1A 03216708
    """
    assert read(report(f"{VEHICLE_HEAD}\n12 00\n{others}")).longitude_deg == 13.404954


def test_every_block_of_2025_has_its_length() -> None:
    others = """
    03 0300 01 0010 01 0100 01 01 50 46   fuel cell
    04 0BB8                               engine
    05 00 01 00CC8B1A 03216708
    """
    assert read(report(f"{VEHICLE_HEAD}\n{others}", edition=2025)).longitude_deg == 13.404954


def test_a_report_cut_short_is_refused() -> None:
    whole = bytes.fromhex(TIME) + octets(VEHICLE_HEAD)
    for length in range(7, len(whole)):
        assert refusal(frame(2, whole[:length])) == "schema", length
    assert refusal(frame(2, whole[:5])) == "schema"


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (report()[:-1] + b"\0", "malformed"),
        (report() + b"\0", "malformed"),
        (b"", "malformed"),
        (report(encryption=3), "schema"),
        (frame(1, b""), "schema"),
        (report(vin="4C54455354 56414E 303030303030303032"), "identity_mismatch"),
    ],
)
def test_what_is_no_report_of_the_van_is_refused(payload: bytes, why: str) -> None:
    assert refusal(payload) == why


def test_an_encrypted_report_is_refused_in_words() -> None:
    with pytest.raises(Rejected, match=r"AES-128.*without encryption"):
        list(dialect().decode(Message(TOPIC, report(encryption=3)), EVENT_MS))


def test_the_van_is_found_without_decoding() -> None:
    ours = dialect(identities={VIN: "van-7"})
    assert ours.identify(Message(TOPIC, report())) == "van-7"
    assert ours.identify(Message(TOPIC, report()[:-1])) is None
    assert read(report(), identities={VIN: "van-7"}).vehicle_id == "van-7"


def test_a_report_that_was_refused_after_it_was_read_counts_when_it_is_replayed() -> None:
    """As a dead letter of a van that the fleet file did not name yet."""
    subject = dialect()
    for kind in (MessageKind.PUBLISH, MessageKind.REPLAYED):
        (reading,) = subject.decode(Message(TOPIC, report(), kind=int(kind)), EVENT_MS + 400)
        assert reading == expected()
    (again,) = subject.decode(Message(TOPIC, report()), EVENT_MS + 400)
    assert again == Reading(vehicle_id=VIN, time_ms=EVENT_MS)


def test_frames_of_the_listener_alone_need_no_subscription() -> None:
    assert dialect(subscribed=False).topic_filters() == []
    assert dialect().topic_filters() == ["gbt32960/#"]


@pytest.mark.parametrize("edition", [2016, 2025])
def test_a_simulated_van_means_the_same_as_frame_and_as_json(edition: int) -> None:
    sent = {
        "vehicle_id": "van-1",
        "time": EVENT_MS,
        "soc_pct": 62.0,
        "speed_kmh": 41.5,
        "voltage_v": 538.2,
        "current_a": -86.5,
        "odometer_km": 12883.4,
        "charging": False,
        "latitude_deg": -33.868,
        "longitude_deg": -58.4,
        "battery_temp_c": 25.0,
    }
    ((topic, payload),) = Gbt32960().encode([sent])
    (plain,) = dialect().decode(Message(topic, payload), EVENT_MS)
    assert isinstance(plain, Reading)
    assert plain.latitude_deg == -33.868
    framed = read(report_frame(edition, payload), topic.replace("upstream/info", "frame"))
    assert framed == plain


# The stream.


def test_the_answer_has_the_time_alone() -> None:
    login = parse_frame(LOGIN)
    assert login is not None
    assert answer_to(login, Answer.SUCCESS) == LOGIN_ANSWER


def test_rubbish_between_frames_is_passed_over() -> None:
    reader = FrameReader(most_passed_over=65_536)
    wrong = bytearray(report())
    wrong[30] ^= 1
    found = list(reader.read(b"##rubbish" + bytes(12) + LOGIN + b"$$" + bytes(wrong) + report() + b"#"))
    assert [each.raw for each in found] == [LOGIN, report()]
    assert [each.raw for each in reader.read(report()[1:])] == [report()]


def test_a_length_beyond_the_limit_does_not_wait_for_its_bytes() -> None:
    length = (MAX_DATA_BYTES + 1).to_bytes(2)
    head = report()[:22]
    assert [each.raw for each in FrameReader(most_passed_over=65_536).read(head + length + LOGIN)] == [LOGIN]


@given(st.binary(max_size=400))
def test_the_check_is_the_exclusive_or_of_all_bytes(content: bytes) -> None:
    assert check_byte(content) == reduce(xor, content, 0)


def test_heads_of_long_frames_without_end_are_not_checked_for_ever() -> None:
    """Each of 10,000 heads claims a frame of 16 KiB, so that each has a check to be computed."""
    heads = b"".join(b"##\x02\xfe%017d\x01\x3f\xe0" % number for number in range(10_000))
    reader = FrameReader(most_passed_over=65_536)
    assert list(reader.read(heads + LOGIN)) == []
    assert 65_536 < reader.passed_over < 66_000


@given(st.lists(st.integers(0, 400)), st.binary(max_size=60))
def test_frames_are_found_however_the_stream_is_cut(cuts: list[int], noise: bytes) -> None:
    quiet = noise.replace(b"#", b"+").replace(b"$", b"+")
    frames = [LOGIN, report(), report(BLOCKS_2025, edition=2025)]
    stream = quiet.join([b"", *frames, b""])
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    reader = FrameReader(most_passed_over=65_536)
    found = [each.raw for start, end in pairwise(edges) for each in reader.read(stream[start:end])]
    assert found == frames
    assert reader.passed_over == len(stream) - sum(map(len, frames))


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    for edition in (2016, 2025):
        with suppress(Rejected):  # nothing else may be raised
            time, blocks = time_and_blocks(data, edition)
            assert len(time) == 6
            assert len(blocks) <= 256
