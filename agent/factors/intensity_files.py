"""Files of hourly grid intensity: Electricity Maps CSV, UK NESO JSON, ENTSO-E A75 XML, and our own CSV.

The form of a file is recognised by its content. A bad value is a `SettingsError` that names the file and the line.
"""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import SettingsError
from agent.factors.entsoe import generation_mix
from agent.factors.factor_years import FactorYears
from agent.factors.intensity import MAX_AGE_MS, Intensity, IntensityKind, Sample
from agent.factors.year_set import FactorSet

MAX_FILE_BYTES: Final = 256 * 1024 * 1024
MAX_G_PER_KWH: Final = 3000.0
OWN_HEADER: Final = ("start_utc", "zone", "gco2e_per_kwh")
KINDS: Final[dict[str, IntensityKind]] = {
    "": "lifecycle",
    "lifecycle": "lifecycle",
    "direct": "direct",
    "direct_delivered": "direct_delivered",
    "well_to_wheel": "well_to_wheel",
}


def load_intensity(
    path: Path | None,
    factors: FactorSet | FactorYears,
    *,
    max_age_ms: int = MAX_AGE_MS,
    zones: tuple[str, ...] = (),
) -> Intensity:
    """The intensity of a file, or of the annual factors alone where there is none."""
    if path is None:
        return Intensity(factors, max_age_ms=max_age_ms)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SettingsError(f"emissions.intensity_file {str(path)!r} is larger than {MAX_FILE_BYTES >> 20} MB")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"emissions.intensity_file {str(path)!r} cannot be read: {error}") from error
    try:
        intensity = Intensity(factors, parse(text, factors), max_age_ms=max_age_ms, chosen=zones)
    except SettingsError as error:
        raise SettingsError(f"emissions.intensity_file {str(path)!r}: {error}") from error
    if not intensity.zones:
        raise SettingsError(f"emissions.intensity_file {str(path)!r} has no values")
    return intensity


def parse(text: str, factors: FactorSet | FactorYears) -> Iterator[Sample]:
    """The values of a file of any of the known forms."""
    beginning = text.lstrip()[:1]
    if beginning == "<":
        newest = FactorYears.of(factors).newest
        lifecycle = {fuel: newest.value("generation.lifecycle", fuel) for fuel in newest.scopes("generation.lifecycle")}
        return generation_mix(text, lifecycle)
    if beginning in ("{", "["):
        return _neso(text)
    header = _header(text)
    if header[0] == "datetime (utc)":
        return _electricity_maps(text, header)
    if all(name in header for name in OWN_HEADER):
        return _own(text)
    raise SettingsError(
        "its form is not known: expected Electricity Maps CSV, NESO JSON, ENTSO-E A75 XML, "
        f"or CSV with {','.join(OWN_HEADER)}[,kind]"
    )


def time_ms(text: str, line: int) -> int:
    """Milliseconds since the epoch of an ISO 8601 time; one without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise SettingsError(f"line {line}: {text!r} is not a time") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def number(text: str, line: int) -> float:
    """An intensity in g/kWh."""
    try:
        value = float(text)
    except ValueError as error:
        raise SettingsError(f"line {line}: {text!r} is not a number") from error
    if not 0 <= value <= MAX_G_PER_KWH:
        raise SettingsError(f"line {line}: {text} g/kWh is not within 0 to {MAX_G_PER_KWH:g}")
    return value


def _own(text: str) -> Iterator[Sample]:
    for row, line in _rows(text):
        kind = (row.get("kind") or "").strip().lower()
        if kind not in KINDS:
            raise SettingsError(f"line {line}: kind {kind!r} is not one of {', '.join(filter(None, KINDS))}")
        zone = row["zone"].strip()
        if not zone:
            raise SettingsError(f"line {line}: zone is empty")
        yield Sample(time_ms(row["start_utc"], line), zone, number(row["gco2e_per_kwh"], line), KINDS[kind], line)


def _electricity_maps(text: str, header: list[str]) -> Iterator[Sample]:
    zone_column = _column(header, "zone id")
    value_column = _column(header, "carbon intensity", ("life cycle", "lca"))
    for row, line in _rows(text):
        value = row[value_column].strip()
        if value:
            yield Sample(time_ms(row["datetime (utc)"], line), row[zone_column], number(value, line), "lifecycle", line)


def _column(header: list[str], beginning: str, words: tuple[str, ...] = ("",)) -> str:
    for name in header:
        if name.startswith(beginning) and any(word in name for word in words):
            return name
    raise SettingsError(f"line 1: no column {beginning!r} {' or '.join(filter(None, words))}".rstrip())


def _header(text: str) -> list[str]:
    """The column names in lower case."""
    try:
        return [name.strip().lower() for name in next(csv.reader(text.splitlines()), [])] or [""]
    except csv.Error as error:
        raise SettingsError(f"line 1: {error}") from error


def _rows(text: str) -> Iterator[tuple[dict[str, str], int]]:
    """Each row by its column names, and its line number; a row of another length is refused."""
    header = _header(text)
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        next(reader)
        for values in reader:
            if not values:
                continue
            if len(values) != len(header):
                raise SettingsError(f"line {reader.line_num}: {len(values)} columns, the header has {len(header)}")
            yield dict(zip(header, values, strict=True)), reader.line_num
    except csv.Error as error:
        raise SettingsError(f"line {reader.line_num}: {error}") from error


class _NesoValue(BaseModel):
    model_config = ConfigDict(strict=True)

    forecast: float | None = Field(None, ge=0, le=MAX_G_PER_KWH, allow_inf_nan=False)
    actual: float | None = Field(None, ge=0, le=MAX_G_PER_KWH, allow_inf_nan=False)


class _NesoSlot(BaseModel):
    start: str = Field(alias="from")
    intensity: _NesoValue


def _neso(text: str) -> Iterator[Sample]:
    """UK half hours, measured values before forecasts: direct emissions with the losses of the grid."""
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"is not valid JSON: {error}") from error
    slots = content.get("data") if isinstance(content, dict) else content
    if isinstance(slots, dict):
        slots = slots.get("data")
    if isinstance(slots, list) and len(slots) == 1 and isinstance(slots[0], dict) and "regionid" in slots[0]:
        slots = slots[0].get("data")
    if not isinstance(slots, list):
        raise SettingsError('is JSON without a "data" list of half hours')
    for index, entry in enumerate(slots, start=1):
        try:
            slot = _NesoSlot.model_validate(entry)
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in detail["loc"])
            raise SettingsError(f"data[{index - 1}]: {where} {detail['msg']}") from error
        value = slot.intensity.actual if slot.intensity.actual is not None else slot.intensity.forecast
        if value is not None:
            yield Sample(time_ms(slot.start, index), "GB", value, "direct_delivered", index)
