import math
from itertools import count

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agent.points.measurements import MEASUREMENTS
from agent.points.rows import Series, empty_rows
from agent.stores.line_protocol import LineWriter, escape_tag, escape_text, measurement_of
from tests.servers.influxdb import LINE, FrontEnd, InfluxServer, split_lines
from tests.stores.rows import AGENT, NORD, VAN_1, VAN_2, battery, row, rows_of


@pytest.mark.parametrize(
    ("measurement", "given_row", "line"),
    [
        (
            "battery",
            battery(VAN_1, 1_700_000_000_123, soc_pct=80.5, charging=False),
            "battery,country=DE,depot=Nord,model=e-ducato,vehicle_id=van-1 soc_pct=80.5,charging=false 1700000000123",
        ),
        (
            "energy",
            row("energy", VAN_2, 5, state="driving", power_kw=-0.0, used_kwh_total=1e-7),
            r"energy,country=FR,depot=Süd\,\ Halle\ 3,model=e\ transit,vehicle_id=van-2 "
            'state="driving",power_kw=-0.0,used_kwh_total=1e-7 5',
        ),
        ("trip", row("trip", VAN_1, 5, start_ms=4, stops=0, inferred=True), "start_ms=4i,stops=0i,inferred=true 5"),
        ("fleet", row("fleet", NORD, 60_000, vans=2), "fleet,depot=Nord vans=2i 60000"),
        ("agent", row("agent", AGENT, 60_000, lag_s=0.25), "agent lag_s=0.25 60000"),
        ("alert", row("alert", VAN_1, 1, message='say "no" \\ go'), r'message="say \"no\" \\ go" 1'),
        ("stop", row("stop", VAN_1, 1, place="line\nbreak\ttab"), 'place="line break tab" 1'),
    ],
)
def test_a_row_as_a_line(measurement: str, given_row: tuple[object, ...], line: str) -> None:
    (found,) = LineWriter().lines(rows_of(measurement, given_row))
    assert found.endswith(line)
    assert LINE.fullmatch(found)
    assert measurement_of(found) == measurement


def test_a_row_that_says_nothing_is_no_line() -> None:
    rows = rows_of("battery", battery(VAN_1, 1), battery(VAN_1, 2, soc_pct=math.nan), battery(VAN_1, 3, soc_pct=1.0))
    (line,) = LineWriter().lines(rows)
    assert line.endswith("soc_pct=1.0 3")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a b,c=d", r"a\ b\,c\=d"),
        ("ends with\\", r"ends\ with/"),
        ("\\ \\,", r"/\ /\,"),
        (" padded ", "padded"),
        ("two\nlines\r\n", r"two\ lines"),
        ("", ""),
    ],
)
def test_tags_are_escaped(text: str, escaped: str) -> None:
    assert escape_tag(text) == escaped


def test_the_tags_of_a_van_are_kept_once_however_often_it_comes_back() -> None:
    """Each time that a van wakes it has a new object for its tags."""
    writer = LineWriter()
    tags = {"vehicle_id": "van-1", "depot": "Nord"}
    lines = [
        line
        for number in range(100)
        for line in writer.lines(rows_of("battery", battery(Series(**tags), number, soc_pct=1.0)))
    ]
    assert lines == [f"battery,depot=Nord,vehicle_id=van-1 soc_pct=1.0 {number}" for number in range(100)]
    assert len(writer._tags) == 1


def test_text_is_escaped_once_and_remembered() -> None:
    assert escape_text("a\\b") == escape_text("a\\b") == "a\\\\b"


# -- written to a real server and read back

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.text('\\",= \n\t{}#é🚐', max_size=12)
FLOAT = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([5e-324, 1.7976931348623157e308, -0.0, 1e22])
_MOMENTS = count(1)


@given(depot=TEXT, model=TEXT, kind=TEXT, message=TEXT, value=FLOAT, stops=st.integers(-(2**63), 2**63 - 1))
@example(depot="\\", model="a\\,b", kind='\\"', message="\\", value=1.0, stops=0)
@example(depot="a\\ ", model="#", kind='"', message='\\\\"', value=-1.5e-300, stops=-(2**63))
@example(depot="\\\\", model="=,= ", kind="a\nb", message=" ", value=0.1 + 0.2, stops=2**63 - 1)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_text_and_number_survives_the_way_there_and_back(
    influxd: InfluxServer,
    front_end: FrontEnd,
    depot: str,
    model: str,
    kind: str,
    message: str,
    value: float,
    stops: int,
) -> None:
    """Against the real database; what the protocol cannot express follows `escape_tag` and `escape_text`."""
    database = "fuzz"
    influxd.create_database(database)
    time_ms = next(_MOMENTS)
    series = Series(vehicle_id=f"van-{time_ms}", depot=depot, model=model)
    rows = empty_rows()
    rows["alert"].append(row("alert", series, time_ms, kind=kind, message=message, value=value))
    rows["trip"].append(row("trip", series, time_ms, stops=stops))
    lines = LineWriter().lines(rows)
    assert len(lines) == 2
    assert split_lines("\n".join(lines)) == lines
    assert all(LINE.fullmatch(line) for line in lines)
    async with front_end._session.post(  # type: ignore[union-attr]
        f"http://127.0.0.1:{front_end.port}/api/v2/write?bucket={database}&precision=ms", data="\n".join(lines).encode()
    ) as answer:
        assert answer.status == 204, await answer.text()
    where = f"WHERE \"vehicle_id\" = 'van-{time_ms}'"
    (alert,) = influxd.query(f'SELECT kind, message, value, depot, model FROM "alert" {where}', database)
    ((_, *found),) = alert["values"]
    tags = [escape_tag(text).replace("\\,", ",").replace("\\=", "=").replace("\\ ", " ") for text in (depot, model)]
    texts = [escape_text(text).replace('\\"', '"').replace("\\\\", "\\") for text in (kind, message)]
    found[2] = float(found[2])  # JSON writes 1e16 as a whole number
    assert found == [*texts, value, *(tag or None for tag in tags)]
    (trip,) = influxd.query(f'SELECT stops FROM "trip" {where}', database)
    assert trip["values"] == [[time_ms, stops]]


def test_every_measurement_can_be_written_whole() -> None:
    samples = {"float": 1.5, "integer": 7, "boolean": True, "text": "text"}
    for measurement in MEASUREMENTS.values():
        values = {field.name: samples[field.type] for field in measurement.fields}
        (line,) = LineWriter().lines(rows_of(measurement.name, row(measurement.name, VAN_1, 1, **values)))
        assert LINE.fullmatch(line)
        assert line.count("=") == len(VAN_1.tags()) + len(measurement.fields)
