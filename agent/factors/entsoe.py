"""Grid intensity from ENTSO-E's actual generation per production type (document type A75).

The intensity at a time is the mean of the life-cycle factors of the fuels, weighted by their generation. It does not
contain imports, nor the energy that pumped storage takes up. Where the mix is incomplete there is no intensity: see
`agent.factors.generation`.

Time and memory are proportional to the number of points of the document.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from agent.errors import SettingsError
from agent.factors.areas import COUNTRY_OF_AREA
from agent.factors.generation import Generation
from agent.factors.intensity import Sample

FUEL_OF_TYPE: Final = {
    "B01": "biomass",
    "B02": "coal",
    "B03": "gas",
    "B04": "gas",
    "B05": "coal",
    "B06": "oil",
    "B07": "coal",
    "B08": "coal",
    "B09": "geothermal",
    "B10": "hydro",
    "B11": "hydro",
    "B12": "hydro",
    "B13": "unknown",
    "B14": "nuclear",
    "B15": "unknown",
    "B16": "solar",
    "B17": "biomass",
    "B18": "wind",
    "B19": "wind",
    "B20": "unknown",
}
"""Fuel of each production type; peat and oil shale count as coal, waste as biomass."""
STORAGE_TYPE: Final = "B25"
"""Storage returns what other types have generated; it has no generation of its own."""
CONSUMPTION: Final = "A04"
"""Business type of a series of consumption."""

RESOLUTIONS_MS: Final = {"PT15M": 900_000, "PT30M": 1_800_000, "PT60M": 3_600_000}
MAX_PERIOD_MS: Final = 366 * 86_400_000
"""Longest period of a document."""
MAX_POINTS: Final = 4_000_000
MAX_PERIODS: Final = 200_000
CHUNK: Final = 1 << 20


def generation_mix(text: str, lifecycle_g_per_kwh: Mapping[str, float]) -> Iterator[Sample]:
    """The life-cycle intensity of each stretch of time with one mix, by area and in order of time."""
    if re.search(r"<!(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise SettingsError("has a document type definition, which no A75 document has")
    areas: dict[str, Generation] = {}
    codes: dict[str, str] = {}
    counted = _Counted()
    for number, series in enumerate(_series(text), start=1):
        try:
            _add_series(areas, codes, series, counted)
        except (ValueError, KeyError, OverflowError) as error:
            raise SettingsError(f"TimeSeries {number}: {error}") from error
    for zone, generation in areas.items():
        for start_ms, until_ms, mix in generation.complete_mixes():
            power = sum(mix.values())
            if power > 0:
                emissions = sum(mw * lifecycle_g_per_kwh[FUEL_OF_TYPE[kind]] for kind, mw in mix.items())
                yield Sample(start_ms, zone, emissions / power, "lifecycle", 0, until_ms, power)


class _Counted:
    """Counts points and periods, and limits them."""

    def __init__(self) -> None:
        self.points = 0
        self.periods = 0

    def add(self, points: int) -> None:
        self.periods += 1
        self.points += points
        if self.periods > MAX_PERIODS or self.points > MAX_POINTS:
            raise ValueError(f"more than {MAX_PERIODS} periods or {MAX_POINTS} points in one document")


def _series(text: str) -> Iterator[ET.Element]:
    """The series of a document one after the other. Each is freed before the next one is read."""
    parser: ET.XMLPullParser[Any] = ET.XMLPullParser(events=("start", "end"))
    root: ET.Element | None = None
    checked = False
    try:
        for at in range(0, len(text), CHUNK):
            parser.feed(text[at : at + CHUNK])
            for happened in parser.read_events():
                event, element = happened[0], happened[-1]
                if not isinstance(element, ET.Element):
                    continue
                if root is None:
                    root = element
                elif event == "end" and element.tag.rpartition("}")[2] == "TimeSeries":
                    checked = checked or _check_type(root)
                    yield element
                    element.clear()
        parser.close()
    except ET.ParseError as error:
        raise SettingsError(f"is not valid XML: {error}") from error
    if root is None or not checked:
        _check_type(root if root is not None else ET.Element("nothing"))


def _check_type(root: ET.Element) -> bool:
    if _text(root, "type") != "A75":
        raise SettingsError(f"is not an A75 document: its type is {_text(root, 'type')!r}")
    return True


def _add_series(areas: dict[str, Generation], codes: dict[str, str], series: ET.Element, counted: _Counted) -> None:
    code = _text(series, "inBiddingZone_Domain.mRID") or _text(series, "in_Domain.mRID")
    consumes = not code or _text(series, "businessType") == CONSUMPTION
    code = code or _text(series, "outBiddingZone_Domain.mRID") or _text(series, "out_Domain.mRID")
    if code not in COUNTRY_OF_AREA:
        raise ValueError(f"area {code!r} is not known")
    zone = COUNTRY_OF_AREA[code]
    if codes.setdefault(zone, code) != code:
        raise ValueError(f"areas {codes[zone]!r} and {code!r} are both {zone}; keep one of them")
    production_type = _text(series, "MktPSRType/psrType")
    if production_type == STORAGE_TYPE:
        return
    if production_type not in FUEL_OF_TYPE:
        raise ValueError(f"production type {production_type!r} is not known")
    generation = areas.setdefault(zone, Generation())
    holds = _text(series, "curveType") == "A03"
    for period in _children(series, "Period"):
        for start_ms, until_ms, power in _steps(period, counted, holds=holds):
            # A type that consumes generates 0 then. That is a value, not a gap.
            generation.add(production_type, start_ms, until_ms, 0.0 if consumes else power)


def _steps(period: ET.Element, counted: _Counted, *, holds: bool) -> Iterator[tuple[int, int, float]]:
    """From, until and MW of each point; with curve type A03 a point holds until the next one given."""
    step_ms = RESOLUTIONS_MS[_text(period, "resolution")]
    begin_ms, end_ms = (_moment(_text(period, f"timeInterval/{name}")) for name in ("start", "end"))
    if not 0 <= end_ms - begin_ms <= MAX_PERIOD_MS:
        raise ValueError("its time interval is not usable: a period lasts a year at most")
    points = sorted(
        (int(_text(point, "position")), float(_text(point, "quantity"))) for point in _children(period, "Point")
    )
    counted.add(len(points))
    for index, (position, power) in enumerate(points):
        start_ms = begin_ms + (position - 1) * step_ms
        following = points[index + 1][0] if index + 1 < len(points) else None
        until_ms = start_ms + step_ms
        if holds:
            until_ms = end_ms if following is None else begin_ms + (following - 1) * step_ms
        if not begin_ms <= start_ms < end_ms or not -1e6 < power < 1e7:
            raise ValueError(f"position {position} with {power:g} MW is out of range")
        yield start_ms, min(until_ms, end_ms), max(power, 0.0)


def _moment(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return round(moment.timestamp() * 1000)


def _children(element: ET.Element, name: str) -> list[ET.Element]:
    return element.findall(f"{{*}}{name}")


def _text(element: ET.Element, path: str) -> str:
    return (element.findtext("/".join(f"{{*}}{name}" for name in path.split("/"))) or "").strip()
