"""The worked example of docs/methods.md, run as an operator would: messages imported, agent run, report printed.

The expected values stand on the page. They are worked by hand from the standard's formulas; nothing here computes them.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from math import sqrt
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from agent.commands.ports import free_port
from tests.servers.agent import Agent, wait_for

PAGE = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")
EXAMPLE = PAGE.split("\n## A tour worked by hand\n", 1)[1].split("\n## ", 1)[0]
KM_PER_DEGREE = 111.195
STEP_S = 6
TOLERANCE = 0.005
"""The agent estimates energy from readings. The page uses the true energy."""


def block(language: str) -> str:
    """The example's code block of a language."""
    return re.search(rf"```{language}\n(.*?)```", EXAMPLE, re.DOTALL)[1]  # type: ignore[index]


def table(head: str) -> list[list[str]]:
    """The rows of the example's table whose first column is headed so."""
    lines = EXAMPLE[EXAMPLE.index(f"| {head} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def number(text: str) -> float:
    """The first number of a text, with commas between thousands."""
    return float(re.search(r"-?[\d,]*\.?\d+", text)[0].replace(",", ""))  # type: ignore[index]


def legs() -> Iterator[dict[str, Any]]:
    """The day, as the page's table has it."""
    for start, end, what, km, out, into, soc, drop in table("from"):
        yield {
            "start_ms": moment(start),
            "end_ms": moment(end),
            "what": what,
            "km": number(km),
            "out_kwh": number(out),
            "in_kwh": number(into),
            "soc": [float(value) for value in re.findall(r"[\d.]+", soc)],
            "drops": re.findall(r"(load|unload) (\w+), (\d+) kg in (\d+)", drop),
        }


def moment(clock: str) -> int:
    """A time of the example's day, ms."""
    return round(datetime.fromisoformat(f"2025-06-03T{clock}:00+00:00").timestamp() * 1000)


def messages() -> Iterator[tuple[int, str, dict[str, Any]]]:
    """The van's messages: every six seconds, everything changing evenly along each row of the page's table."""
    km = driven_km = out_kwh = into_kwh = 0.0
    for leg in legs():
        for action, name, kg, items in leg["drops"]:
            drop = {"action": action, "consignment_id": name, "mass_kg": float(kg), "items": int(items)}
            middle_ms = (leg["start_ms"] + leg["end_ms"]) // 2
            yield middle_ms, "drop", {"time": middle_ms, **drop}
        hours = (leg["end_ms"] - leg["start_ms"]) / 3_600_000
        drives, charges = leg["what"].startswith("drive"), leg["what"].startswith("charge")
        until_km = leg["km"]
        for time_ms in range(leg["start_ms"], leg["end_ms"], STEP_S * 1000):
            share = (time_ms - leg["start_ms"]) / (leg["end_ms"] - leg["start_ms"])
            here_km = km + share * (until_km - km)
            yield (
                time_ms,
                "telemetry",
                {
                    "time": time_ms,
                    "soc_pct": round(leg["soc"][0] + share * (leg["soc"][-1] - leg["soc"][0]), 1),
                    "battery_power_kw": (leg["in_kwh"] - leg["out_kwh"]) / hours,
                    "energy_out_total_kwh": out_kwh + share * leg["out_kwh"],
                    "energy_in_total_kwh": into_kwh + share * leg["in_kwh"],
                    "odometer_km": 1000.0 + driven_km + share * abs(until_km - km),
                    "speed_kmh": abs(until_km - km) / hours,
                    "latitude_deg": 48.0 + here_km / KM_PER_DEGREE,
                    "longitude_deg": 11.0,
                    "charging": charges,
                    "driving": drives,
                },
            )
        driven_km += abs(until_km - km)
        km, out_kwh, into_kwh = until_km, out_kwh + leg["out_kwh"], into_kwh + leg["in_kwh"]


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Agent:
    """An agent that has worked through the day, and stopped."""
    directory = tmp_path_factory.mktemp("example")
    (directory / "fleet.toml").write_text(block("toml"), encoding="utf-8")
    (directory / "grid.csv").write_text(block("csv"), encoding="utf-8")
    lines = [
        json.dumps({"topic": f"vans/van-1/{kind}", "payload": payload, "received_ms": time_ms})
        for time_ms, kind, payload in sorted(messages(), key=itemgetter(0))
    ]
    (directory / "day.jsonl").write_text("\n".join(lines), encoding="utf-8")
    found = Agent(
        directory,
        mqtt__url=f"mqtt://127.0.0.1:{free_port()}",
        fleet__file=directory / "fleet.toml",
        emissions__intensity_file=directory / "grid.csv",
    )
    found.command("import", "messages", "day.jsonl", "--until", str(moment("23:59") + 8 * 3_600_000))
    found.start(wait=False)
    try:
        wait_for(lambda: found.get("/metrics")[0] == 200, "the agent to answer")
        found.wait_processed(0)
        assert found.dead_letters() == []
        assert found.refusals() == []
        assert found.stop() == 0
    finally:
        if found.returncode is None:
            found.kill()
    return found


def worked() -> Iterator[tuple[str, str, str]]:
    """Name, expression and value of each line that is worked out on the page."""
    for text in re.findall(r"```text\n(.*?)```", EXAMPLE, re.DOTALL):
        for line in text.splitlines():
            name, expression, value = re.split(r" +=\s+", line)
            yield name, expression.replace("√", "sqrt"), value.split(" ")[0]


def test_each_line_of_the_arithmetic_is_right() -> None:
    lines = list(worked())
    assert len(lines) > 35
    for name, expression, value in lines:
        last_digit = 10.0 ** -len(value.partition(".")[2])
        found = eval(expression, {"__builtins__": {}, "sqrt": sqrt})  # noqa: S307  (our own page)
        assert found == pytest.approx(float(value), abs=0.51 * last_digit), name


def test_each_number_of_the_arithmetic_is_said_or_worked_before() -> None:
    """Later lines use an intermediate value exactly as it was worked out."""
    values = {value for _, _, value in worked()}
    for value in (row[1].split(" ")[0] for row in table("figure")[:10] if row[0] != "load factor"):
        assert value in values, value


def test_the_program_comes_to_the_same_figures(agent: Agent) -> None:
    period = ("--from", "2025-06-03", "--to", "2025-06-04", "--format", "json")
    report = json.loads(agent.command("report", *period).stdout)
    (tour,) = agent.points("tour")
    found = {"tour": tour, "emissions": agent.points("emissions")[-1], "summary": report["summary"]}
    found |= {f"drop {drop['consignment_id']}": drop for drop in agent.points("drop") if drop["action"] == "unload"}
    found |= {f"scopes {site['place']}": site for site in report["scopes"]}
    rows = table("figure")
    assert len(rows) > 20
    for figure, by_hand, source in rows:
        where, field = source.strip("`").split(".")
        assert found[where][field] == pytest.approx(number(by_hand), rel=TOLERANCE), figure


def test_the_shares_add_up_to_the_gram(agent: Agent) -> None:
    (tour,) = agent.points("tour")
    shares_g = [drop["co2e_g"] for drop in agent.points("drop") if "co2e_g" in drop]
    assert len(shares_g) == 2
    assert sum(shares_g) == pytest.approx(tour["co2e_g"], rel=1e-9)
