import contextlib
import json
import sys
import tracemalloc
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import SettingsError
from agent.factors.factor_set import load_factor_set, load_factor_years
from agent.factors.intensity import Intensity
from agent.factors.intensity_files import load_intensity, parse

FACTORS = load_factor_set()


def ms(text):
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def load(tmp_path, text, name="file"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return load_intensity(path, FACTORS)


def at(intensity, country, time):
    value, source = intensity.at(country, ms(time))
    assert source == "hourly"
    return value


def counted(text):
    """The samples of a file, and how many lines of Python were run to read them."""
    steps = 0

    def count(_frame, event, _argument):
        nonlocal steps
        steps += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        samples = list(parse(text, FACTORS))
    finally:
        sys.settrace(before)
    return samples, steps


ELECTRICITY_MAPS = (
    "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),"
    "Carbon intensity gCO₂eq/kWh (Life cycle),Carbon-free energy percentage (CFE%),"
    "Renewable energy percentage (RE%),Data source,Data estimated,Data estimation method\n"
    '2025-01-01 00:00:00,Germany,Germany,DE,310.5,372.00,50,45,"entsoe.eu, and others",false,\n'
    "2025-01-01 01:00:00,Germany,Germany,DE,300.1,362.70,51,46,entsoe.eu,true,TSA\n"
    "2025-01-01 02:00:00,Germany,Germany,DE,,,,,,,\n"
)
OLDER_ELECTRICITY_MAPS = (
    "Datetime (UTC),Country,Zone Name,Zone Id,Carbon Intensity gCO₂eq/kWh (direct),"
    "Carbon Intensity gCO₂eq/kWh (LCA),Low Carbon Percentage\n"
    "2023-01-01 00:00:00,France,France,FR,30,46.5,90\n"
)
NESO = {
    "data": [
        {
            "from": "2025-01-20T12:00Z",
            "to": "2025-01-20T12:30Z",
            "intensity": {"forecast": 266, "actual": 263, "index": "moderate"},
        },
        {
            "from": "2025-01-20T12:30Z",
            "to": "2025-01-20T13:00Z",
            "intensity": {"forecast": 200, "actual": None, "index": "moderate"},
        },
    ]
}
NESO_REGION = {
    "data": {
        "regionid": 3,
        "shortname": "North West England",
        "data": [{"from": "2025-01-20T12:00Z", "to": "2025-01-20T12:30Z", "intensity": {"forecast": 100}}],
    }
}
OWN = (
    "start_utc,zone,gco2e_per_kwh,kind\n"
    "2025-01-01T00:00:00Z,DE,93,\n"
    "2025-01-01T01:00Z,DE,186,lifecycle\n"
    "2025-01-01T00:00:00Z,GB,100,direct_delivered\n"
    "2025-01-01T01:00:00+01:00,FR,50,well_to_wheel\n"
)


def series(kind, points, *, area="10YDE-RWENET---I", direction="in", resolution="PT60M", curve="A01", hours=(0, 3)):
    rows = "".join(f"<Point><position>{at}</position><quantity>{mw}</quantity></Point>" for at, mw in points)
    return (
        "<TimeSeries><mRID>1</mRID>"
        f'<{direction}BiddingZone_Domain.mRID codingScheme="A01">{area}</{direction}BiddingZone_Domain.mRID>'
        "<quantity_Measure_Unit.name>MAW</quantity_Measure_Unit.name>"
        f"<curveType>{curve}</curveType><MktPSRType><psrType>{kind}</psrType></MktPSRType>"
        f"<Period><timeInterval><start>2025-01-01T{hours[0]:02}:00Z</start><end>2025-01-01T{hours[1]:02}:00Z</end>"
        f"</timeInterval><resolution>{resolution}</resolution>{rows}</Period></TimeSeries>"
    )


def a75(*parts, type_="A75"):
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<GL_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-6:generationloaddocument:3:0">'
        f"<mRID>x</mRID><type>{type_}</type>{''.join(parts)}</GL_MarketDocument>"
    )


FR = "10YFR-RTE------C"
YEAR = series("B14", [(1, 1)], area=FR, resolution="PT15M", curve="A03").replace("2025-01-01T03", "2026-01-01T00")


def test_no_file_is_the_annual_factors():
    assert load_intensity(None, FACTORS).at("DE", 0) == (FACTORS.for_country("DE").annual_g_per_kwh, "annual")


def test_electricity_maps(tmp_path):
    intensity = load(tmp_path, ELECTRICITY_MAPS)
    assert at(intensity, "DE", "2025-01-01T00:30") == pytest.approx(400)
    assert at(intensity, "DE", "2025-01-01T01:00") == pytest.approx(390)
    assert at(load(tmp_path, OLDER_ELECTRICITY_MAPS), "FR", "2023-01-01T00:00") == pytest.approx(50)


def test_a_byte_order_mark_is_no_harm(tmp_path):
    assert at(load(tmp_path, "\ufeff" + OWN), "DE", "2025-01-01T00:00") == pytest.approx(100)


def test_neso_measured_before_forecast_with_upstream_and_no_further_loss(tmp_path):
    intensity = load(tmp_path, json.dumps(NESO))
    upstream = 1 + 36.82 / 130.96
    assert at(intensity, "GB", "2025-01-20T12:10") == pytest.approx(263 * upstream)
    assert at(intensity, "GB", "2025-01-20T12:30") == pytest.approx(200 * upstream)
    assert at(load(tmp_path, json.dumps(NESO_REGION)), "GB", "2025-01-20T12:00") == pytest.approx(100 * upstream)


def test_own_form(tmp_path):
    intensity = load(tmp_path, OWN)
    assert at(intensity, "DE", "2025-01-01T00:00") == pytest.approx(100)
    assert at(intensity, "DE", "2025-01-01T01:59") == pytest.approx(200)
    assert at(intensity, "GB", "2025-01-01T00:00") == pytest.approx(128.12, abs=0.01)
    assert at(intensity, "FR", "2025-01-01T00:00") == 50.0


def test_entsoe_weighs_the_fuels_by_their_generation(tmp_path):
    text = a75(
        series("B14", [(1, 300), (2, 100), (3, 0)], area=FR),
        series("B04", [(1, 100), (2, 100), (3, 0)], area=FR),
    )
    intensity = load(tmp_path, text)
    assert at(intensity, "FR", "2025-01-01T00:00") == pytest.approx((300 * 12 + 100 * 490) / 400 / 0.93)
    assert at(intensity, "FR", "2025-01-01T01:30") == pytest.approx((12 + 490) / 2 / 0.93)
    # Nothing was generated in the third hour, so that it has no mix: the annual value holds.
    assert intensity.at("FR", ms("2025-01-01T02:30"))[1] == "annual"


def test_entsoe_joins_quarters_and_hours_and_holds_what_is_not_repeated(tmp_path):
    text = a75(
        series("B19", [(1, 100), (3, 300)], area=FR, resolution="PT15M", curve="A03", hours=(0, 1)),
        series("B05", [(1, 100)], area=FR, hours=(0, 1)),
    )
    intensity = load(tmp_path, text)
    first, second = (100 * 11 + 100 * 820) / 200 / 0.93, (300 * 11 + 100 * 820) / 400 / 0.93
    for minute, expected in ((0, first), (20, first), (30, second), (59, second)):
        assert at(intensity, "FR", f"2025-01-01T00:{minute:02}") == pytest.approx(expected)


def test_entsoe_leaves_out_storage(tmp_path):
    text = a75(
        series("B14", [(1, 100)], area=FR),
        series("B10", [(1, 500)], area=FR, direction="out"),
        series("B25", [(1, 500)], area=FR),
    )
    assert at(load(tmp_path, text), "FR", "2025-01-01T00:00") == pytest.approx(12 / 0.93)


TWO_GERMANIES = (
    series("B14", [(1, 1)], area="10Y1001A1001A82H"),
    series("B14", [(1, 1)], area="10Y1001A1001A83F"),
)
CENTURY = series("B14", [(1, 1)], area=FR, curve="A03").replace("2025-01-01T03", "2139-01-01T03")
EXPANDING = '<!DOCTYPE a [<!ENTITY b "c">]>' + a75(series("B14", [(1, 1)], area=FR))


@pytest.mark.parametrize(
    ("title", "text", "says"),
    [
        ("nothing at all", "", "form is not known"),
        ("something else", "a,b\n1,2\n", "form is not known"),
        ("a header alone", "start_utc,zone,gco2e_per_kwh\n", "has no values"),
        ("own: no time", OWN + "yesterday,DE,1,\n", "line 6: 'yesterday' is not a time"),
        ("own: no number", OWN + "2025-01-01T02:00Z,DE,much,\n", "line 6: 'much' is not a number"),
        ("own: not finite", OWN + "2025-01-01T02:00Z,DE,nan,\n", "line 6: nan g/kWh is not within"),
        ("own: negative", OWN + "2025-01-01T02:00Z,DE,-5,\n", "line 6: -5 g/kWh is not within"),
        ("own: kg for g would be seen, MWh too", OWN + "2025-01-01T02:00Z,DE,380000,\n", "line 6: 380000 g/kWh"),
        ("own: unknown kind", OWN + "2025-01-01T02:00Z,DE,1,marginal\n", "line 6: kind 'marginal'"),
        ("own: no zone", OWN + "2025-01-01T02:00Z, ,1,\n", "line 6: zone is empty"),
        ("own: a column is missing", OWN + "2025-01-01T02:00Z,DE\n", "line 6: 2 columns, the header has 4"),
        ("own: unknown country", OWN.partition("\n")[0] + "\n2025-01-01T02:00Z,XX,1,\n", "country 'XX'"),
        ("own: direct values of Germany", OWN + "2025-01-01T02:00Z,DE,1,direct\n", "line 6: direct values of DE"),
        ("maps: no number", ELECTRICITY_MAPS.replace("362.70", "n/a"), "line 3: 'n/a' is not a number"),
        ("maps: no column", ELECTRICITY_MAPS.replace("Life cycle", "other"), "line 1: no column 'carbon intensity'"),
        ("neso: broken", '{"data": [', "not valid JSON"),
        ("neso: something else", '{"a": 1}', 'without a "data" list'),
        ("neso: text", json.dumps(NESO).replace("263", '"263"'), r"data\[0\]: intensity.actual"),
        ("neso: no start", json.dumps(NESO).replace('"from": "2025-01-20T12:30Z", ', ""), r"data\[1\]: from"),
        ("neso: too deep", "[" * 100_000, "not valid JSON"),
        ("entsoe: broken", "<a><b></a>", "not valid XML: mismatched tag: line 1"),
        ("entsoe: another document", a75(type_="A44"), "its type is 'A44'"),
        ("entsoe: wind and solar alone", a75(series("B16", [(1, 1)], area=FR), type_="A74"), "its type is 'A74'"),
        ("entsoe: the same country twice", a75(*TWO_GERMANIES), "TimeSeries 2: areas .* are both DE"),
        ("entsoe: no area", a75(series("B14", [(1, 1)], area="")), "TimeSeries 1: area ''"),
        ("entsoe: a century in one point", a75(CENTURY), "TimeSeries 1: its time interval is not usable"),
        ("entsoe: entities", EXPANDING, "document type definition"),
        ("entsoe: unknown area", a75(series("B14", [(1, 1)])), "TimeSeries 1: area '10YDE-RWENET---I'"),
        ("entsoe: unknown fuel", a75(series("B99", [(1, 1)], area=FR)), "TimeSeries 1: production type 'B99'"),
        ("entsoe: position out of range", a75(series("B14", [(4, 1)], area=FR)), "TimeSeries 1: position 4"),
        ("entsoe: not a number", a75(series("B14", [(1, "x")], area=FR)), "TimeSeries 1: could not convert"),
        ("entsoe: not finite", a75(series("B14", [(1, "nan")], area=FR)), "TimeSeries 1: position 1 with nan MW"),
        ("entsoe: another step", a75(series("B14", [(1, 1)], area=FR, resolution="P1D")), "TimeSeries 1: .*P1D"),
    ],
)
def test_a_bad_file_is_refused_with_file_and_place(tmp_path, title, text, says):
    with pytest.raises(SettingsError, match=r"emissions\.intensity_file '.*file'.*" + says):
        load(tmp_path, text)


def test_entsoe_hours_that_lack_fuels_have_the_annual_value(tmp_path):
    # DE-LU, eight hours with six fuels, then four in which lignite, hard coal and gas are not published yet.
    powers = {"B02": 12000, "B05": 6000, "B04": 9000, "B19": 12000, "B16": 2000, "B01": 4500}
    parts = [
        series(kind, [(at, mw) for at in range(1, hours + 1)], area="10Y1001A1001A82H", hours=(0, hours))
        for kind, mw in powers.items()
        for hours in [8 if kind in ("B02", "B05", "B04") else 12]
    ]
    years = load_factor_years()
    path = tmp_path / "grid.xml"
    path.write_text(a75(*parts))
    intensity = load_intensity(path, years)
    mix = (12000 * 820 + 6000 * 820 + 9000 * 490 + 12000 * 11 + 2000 * 45 + 4500 * 230) / 45500
    assert at(intensity, "DE", "2025-01-01T07:59") == pytest.approx(mix / 0.93) == pytest.approx(482.7, abs=0.1)
    for time in ("2025-01-01T08:00", "2025-01-01T11:59", "2025-01-01T12:00"):
        assert intensity.at("DE", ms(time)) == (pytest.approx(329.65 / 0.93), "annual"), time


def test_entsoe_storage_that_takes_energy_up_generates_nothing_and_is_not_missed(tmp_path):
    text = a75(
        series("B10", [(1, 200)], area=FR, hours=(0, 1)),
        series("B10", [(1, 300)], area=FR, direction="out", hours=(1, 2)),
        series("B04", [(1, 100), (2, 100)], area=FR, hours=(0, 2)),
    )
    intensity = load(tmp_path, text)
    assert at(intensity, "FR", "2025-01-01T00:30") == pytest.approx((200 * 24 + 100 * 490) / 300 / 0.93)
    assert at(intensity, "FR", "2025-01-01T01:30") == pytest.approx(490 / 0.93)


def test_entsoe_takes_several_areas_in_one_document(tmp_path):
    text = a75(
        series("B14", [(1, 100)], area=FR, hours=(0, 1)),
        series("B19", [(1, 300)], area="10YDK-1--------W", hours=(0, 1)),
        series("B05", [(1, 100)], area="10YDK-2--------M", hours=(0, 1)),
    )
    intensity = load(tmp_path, text)
    assert intensity.zones == ["DK", "FR"]
    assert at(intensity, "FR", "2025-01-01T00:30") == pytest.approx(12 / 0.93)
    # Both halves of the country together: 300 MW of wind and 100 MW of coal.
    assert at(intensity, "DK", "2025-01-01T00:30") == pytest.approx((300 * 11 + 100 * 820) / 400 / 0.93)
    only = load_intensity(tmp_path / "file", FACTORS, zones=("DK-DK2",))
    assert at(only, "DK", "2025-01-01T00:30") == pytest.approx(820 / 0.93)


def test_one_file_of_several_zones_and_years(tmp_path):
    rows = ELECTRICITY_MAPS.splitlines()
    text = "\n".join(
        [
            *rows[:2],
            "2026-03-01 00:00:00,Sweden,South Sweden,SE-SE4,1,46.50,9,9,x,false,",
            "2026-03-01 00:00:00,Greenland,Greenland,GL,1,46.50,9,9,x,false,",
            "2024-06-01 00:00:00,Great Britain,Great Britain,GB,1,100,9,9,x,false,",
            "2026-06-01 00:00:00,Great Britain,Great Britain,GB,1,100,9,9,x,false,",
        ]
    )
    path = tmp_path / "zones.csv"
    path.write_text(text, encoding="utf-8")
    intensity = load_intensity(path, load_factor_years())
    assert (intensity.zones, intensity.ignored) == (["DE", "GB", "SE"], ["GL"])
    assert at(intensity, "SE", "2026-03-01T01:00") == pytest.approx(50)
    # The UK's own grid loss of the year: 18.3 of 207.05 in 2024, 12.99 of 130.96 in 2026.
    assert at(intensity, "GB", "2024-06-01T00:00") == pytest.approx(100 * (1 + 18.3 / 207.05))
    assert at(intensity, "GB", "2026-06-01T00:00") == pytest.approx(100 * (1 + 12.99 / 130.96))


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("one point that holds for a year", a75(YEAR)),
        ("a thousand of them", a75(*[YEAR] * 1000)),
        ("and a fine one across", a75(*[YEAR] * 1000, series("B04", [(at, 5) for at in range(1, 4)], area=FR))),
    ],
)
def test_a_document_costs_what_its_points_cost_and_not_what_its_interval_claims(title, text):
    """A year is 35,040 quarters of an hour; a thousand of them one by one would take more than 35,000,000 steps."""
    tracemalloc.start()
    samples, steps = counted(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(samples) <= 6, title
    assert steps < 2_000_000, title
    assert peak < 20_000_000, title


def test_points_and_periods_of_a_document_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("agent.factors.entsoe.MAX_POINTS", 3)
    with pytest.raises(SettingsError, match=r"TimeSeries 2: more than .* 3 points in one document"):
        load(tmp_path, a75(*[series("B14", [(1, 1), (2, 1)], area=FR)] * 2))
    monkeypatch.setattr("agent.factors.entsoe.MAX_PERIODS", 1)
    with pytest.raises(SettingsError, match="TimeSeries 2: more than 1 periods"):
        load(tmp_path, a75(*[series("B14", [(1, 1)], area=FR)] * 2))


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        load_intensity(tmp_path / "missing", FACTORS)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_intensity(tmp_path / "binary", FACTORS)


def test_each_hour_of_a_long_file_costs_the_same():
    rows = "".join(f"2025-{1 + i // 672 % 12:02}-{1 + i // 24 % 28:02}T{i % 24:02}:00Z,DE,100\n" for i in range(8064))
    samples, steps = counted("start_utc,zone,gco2e_per_kwh\n" + rows)
    assert len(samples) == 8064
    assert steps < 100 * 8064


GOOD = (ELECTRICITY_MAPS, OWN, json.dumps(NESO), json.dumps(NESO_REGION), a75(series("B14", [(1, 100)], area=FR)))
PIECES = (
    "",
    "0",
    "-1",
    "1e400",
    "nan",
    "0001-01-01T00:00+14:00",
    "9999-12-31T23:59-14:00",
    "<",
    '"',
    ",",
    "\n",
    "\x00",
    "é",
)


@settings(max_examples=300)
@given(st.sampled_from(GOOD), st.integers(0, 2000), st.integers(0, 60), st.sampled_from(PIECES) | st.text(max_size=20))
def test_whatever_is_wrong_with_a_file_is_a_settings_error(text, start, length, piece):
    damaged = text[:start] + piece + text[start + length :]
    with contextlib.suppress(SettingsError):
        Intensity(FACTORS, parse(damaged, FACTORS))


@given(st.text())
def test_any_text_is_a_file_or_a_settings_error(text):
    with contextlib.suppress(SettingsError):
        Intensity(FACTORS, parse(text, FACTORS))
