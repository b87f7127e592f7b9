"""Grid intensity from ENTSO-E's actual generation per production type (document type A75).

The intensity of a moment is the mean of the life-cycle factors of its fuels, weighted by their generation. Imports are
not in it. Energy that pumped storage takes up is left out.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from agent.errors import SettingsError
from agent.factors.factor_set import FactorSet
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
"""Gives back what other types have generated: no generation of its own."""

COUNTRY_OF_AREA: Final = {
    "10Y1001A1001A39I": "EE",
    "10Y1001A1001A59C": "IE",
    "10Y1001A1001A65H": "DK",
    "10Y1001A1001A82H": "DE",
    "10Y1001A1001A83F": "DE",
    "10Y1001A1001A92E": "GB",
    "10Y1001A1001A93C": "MT",
    "10YAT-APG------L": "AT",
    "10YBE----------2": "BE",
    "10YCA-BULGARIA-R": "BG",
    "10YCH-SWISSGRIDZ": "CH",
    "10YCY-1001A0003J": "CY",
    "10YCZ-CEPS-----N": "CZ",
    "10YDK-1--------W": "DK-DK1",
    "10YDK-2--------M": "DK-DK2",
    "10YES-REE------0": "ES",
    "10YFI-1--------U": "FI",
    "10YFR-RTE------C": "FR",
    "10YGB----------A": "GB",
    "10YGR-HTSO-----Y": "GR",
    "10YHR-HEP------M": "HR",
    "10YHU-MAVIR----U": "HU",
    "10YIE-1001A00010": "IE",
    "10YIT-GRTN-----B": "IT",
    "10YLT-1001A0008Q": "LT",
    "10YLU-CEGEDEL-NQ": "LU",
    "10YLV-1001A00074": "LV",
    "10YNL----------L": "NL",
    "10YNO-0--------C": "NO",
    "10YPL-AREA-----S": "PL",
    "10YPT-REN------W": "PT",
    "10YRO-TEL------P": "RO",
    "10YSE-1--------K": "SE",
    "10YSI-ELES-----O": "SI",
    "10YSK-SEPS-----K": "SK",
    "10YTR-TEIAS----W": "TR",
}
"""Energy identification codes of countries and of bidding zones."""

RESOLUTIONS_MS: Final = {"PT15M": 900_000, "PT30M": 1_800_000, "PT60M": 3_600_000}
SLOT_MS: Final = 900_000
MAX_POINTS: Final = 4_000_000


def generation_mix(text: str, factors: FactorSet) -> Iterator[Sample]:
    """The life-cycle intensity of each quarter of an hour in a document, by area and in order of time."""
    if re.search(r"<!(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise SettingsError("has a document type definition, which no A75 document has")
    try:
        root = ET.fromstring(text)  # noqa: S314  # no DTD, so no entities to expand
    except ET.ParseError as error:
        raise SettingsError(f"is not valid XML: {error}") from error
    if _text(root, "type") != "A75":
        raise SettingsError(f"is not an A75 document: its type is {_text(root, 'type')!r}")
    generation: dict[str, dict[int, tuple[float, float]]] = {}
    for number, series in enumerate(_children(root, "TimeSeries"), start=1):
        try:
            _add_series(generation, series, factors)
        except (ValueError, KeyError, OverflowError) as error:
            raise SettingsError(f"TimeSeries {number}: {error}") from error
    for area, slots in generation.items():
        for start_ms in sorted(slots):
            power, emissions = slots[start_ms]
            if power > 0:
                yield Sample(start_ms, area, emissions / power, "lifecycle", 0)


def _add_series(generation: dict[str, dict[int, tuple[float, float]]], series: ET.Element, factors: FactorSet) -> None:
    code = _text(series, "inBiddingZone_Domain.mRID") or _text(series, "in_Domain.mRID")
    if not code:
        return  # consumption of pumped storage has only an outgoing domain
    if code not in COUNTRY_OF_AREA:
        raise ValueError(f"area {code!r} is not known")
    production_type = _text(series, "MktPSRType/psrType")
    if production_type == STORAGE_TYPE:
        return
    if production_type not in FUEL_OF_TYPE:
        raise ValueError(f"production type {production_type!r} is not known")
    slots = generation.setdefault(COUNTRY_OF_AREA[code], {})
    g_per_kwh = factors.value("generation.lifecycle", FUEL_OF_TYPE[production_type])
    holds = _text(series, "curveType") == "A03"
    for period in _children(series, "Period"):
        for start_ms, until_ms, power in _steps(period, holds=holds):
            for slot_ms in range(start_ms, until_ms, SLOT_MS):
                before = slots.get(slot_ms, (0.0, 0.0))
                slots[slot_ms] = (before[0] + power, before[1] + power * g_per_kwh)


def _steps(period: ET.Element, *, holds: bool) -> Iterator[tuple[int, int, float]]:
    """From, until and MW of each point; with curve type A03 a point holds until the next one given."""
    step_ms = RESOLUTIONS_MS[_text(period, "resolution")]
    begin_ms, end_ms = (_moment(_text(period, f"timeInterval/{name}")) for name in ("start", "end"))
    if not 0 <= end_ms - begin_ms <= MAX_POINTS * SLOT_MS:
        raise ValueError("its time interval is not usable")
    points = sorted(
        (int(_text(point, "position")), float(_text(point, "quantity"))) for point in _children(period, "Point")
    )
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
