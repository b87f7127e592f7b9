"""The header of a report, and its forms: Markdown, CSV, JSON."""

import csv
import io
import re
import tomllib
from pathlib import Path

from tests.commands.reports import JUNE_OF_TWO_VANS, PERIOD, SETTINGS, as_json, call, trip

VERSION = tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"]


async def test_the_header_says_how_it_was_made(tmp_path, capsys):
    header = (await as_json(tmp_path, capsys))["header"]
    assert (header["from"], header["to"]) == ("2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z")
    assert header["factor_set"].startswith("2026.1@")
    assert "well-to-wheel" in header["boundary"]
    assert header["electricity_g_per_kwh"] == {"DE": 354.5}
    assert header["electricity_mix"]["DE"].startswith("generation mix instead of the consumption mix")
    assert header["diesel_wtw_g_per_km"] == {"eu_van_heavy DE": 353.6}
    assert any("diesel.nox eu_van_heavy" in entry for entry in header["unconfirmed_factors"])
    assert not any(" FR " in entry for entry in header["unconfirmed_factors"])
    assert header["thresholds"]["departure_m"] == 200
    assert "by the instrument of each charge" in header["market_based"]
    assert "Scope 3.3" in header["scopes"]


async def test_the_header_names_period_program_and_factors(tmp_path, capsys):
    """Both ends are included and in local time: Berlin is two hours ahead of UTC in June."""
    berlin = SETTINGS | {"fleet": SETTINGS.get("fleet", {}) | {"timezone": "Europe/Berlin"}}
    header = (await as_json(tmp_path, capsys, settings=berlin))["header"]
    assert header["period"] == "2026-06-01 00:00:00+02:00 to 2026-06-01 23:59:59+02:00, both included"
    assert header["program"] == f"vanpulse {VERSION}"
    assert re.match(r"2026\.1@[0-9a-f]{12}: ", header["factor_set"])
    assert "by the method of EN ISO 14083:2023; not certified, not verified" in header["method"]
    assert "never add them" in header["used_and_charged"]


async def test_markdown_has_the_figures_first(tmp_path, capsys):
    text = await call(tmp_path, capsys, JUNE_OF_TWO_VANS, *PERIOD)
    lines = text.splitlines()
    assert lines.index("## Fleet") < 10
    assert text.index("## Fleet") < text.index("never add them") < text.index("## Depots")
    for said in ("- thresholds: ", "- unconfirmed factors: ", "- uncertainty: "):
        assert text.index(said) > text.index("## Data quality")
    (scopes,) = [line for line in lines if "Scope 3.3 losses" in line]
    for column in ("| modelled, kWh |", "| market based CO2e, kg |", "| Scope 2 market based CO2e, kg |"):
        assert column in scopes


async def test_markdown_is_for_people(tmp_path, capsys):
    text = await call(tmp_path, capsys, JUNE_OF_TWO_VANS, *PERIOD)
    for line in ("# Energy and emissions", "## Fleet", "## Vans", "## Trips", "## Charges", "## Data quality"):
        assert f"{line}\n" in text
    assert "| CO2e, g/km | 75.0 |\n" in text
    assert "| avoided NOx, g | 15.0 |\n" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)
    assert "None" not in text


async def test_a_long_table_is_cut_and_says_so(tmp_path, capsys):
    records = [trip(i / 20, km=1, kwh=0.2) for i in range(250)]
    text = await call(tmp_path, capsys, records)
    assert "50 more: `vanpulse report --block trips --format csv` has all 250." in text


async def test_csv_is_one_table(tmp_path, capsys):
    text = await call(tmp_path, capsys, JUNE_OF_TWO_VANS, *PERIOD, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["vehicle_id"], row["distance_km"], row["inferred"]) for row in rows] == [
        ("van-2", "20.0", "false"),
        ("van-1", "60.0", "false"),
        ("van-1", "40.0", "true"),
    ]
    summary = await call(tmp_path, capsys, [], *PERIOD, "--format", "csv", "--block", "summary")
    assert "\ndistance_km,120.0\n" in summary
    vans = await call(tmp_path, capsys, [], *PERIOD, "--format", "csv", "--block", "vans")
    assert vans.startswith("vehicle_id,depot,model,country,distance_km")


async def test_one_block_alone_has_its_header(tmp_path, capsys):
    content = await as_json(tmp_path, capsys, words=(*PERIOD, "--block", "vans"))
    assert list(content) == ["header", "vans"]
