"""Reading factor sets: those that come with vanpulse, and an operator's own."""

import csv
import re
import tomllib
from datetime import UTC, tzinfo
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from agent.errors import SettingsError
from agent.factors.factor import Factor
from agent.factors.factor_years import FactorYears
from agent.factors.year_set import FactorSet, VanModel

SETS: Final[Traversable] = files("agent.factors.sets")
DEFAULT: Final = "default"
MAX_FILE_BYTES: Final = 4 * 1024 * 1024
NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$"


class _OwnSet(BaseModel):
    """`set.toml` of an operator's set."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=NAME)
    title: str = Field(min_length=1)
    extends: str = DEFAULT
    files: list[str] = Field(min_length=1)

    @field_validator("extends")
    @classmethod
    def _is_shipped(cls, extends: str) -> str:
        if extends not in factor_set_names():
            raise ValueError(f"is not known; known are {', '.join(factor_set_names())}")
        return extends


def factor_set_names() -> list[str]:
    """The names `emissions.factor_set` accepts; it also accepts a path."""
    return [DEFAULT, *_index()]


def load_factor_set(name: str = DEFAULT) -> FactorSet:
    """A factor set by name or path; of several years the newest. Raises `SettingsError` for a bad name or file."""
    return load_sets(name)[-1]


def load_factor_years(name: str = DEFAULT, zone: tzinfo = UTC) -> FactorYears:
    """The sets of a name or path, each in force for its own year in a time zone."""
    return FactorYears(load_sets(name), zone)


def load_sets(name: str = DEFAULT) -> list[FactorSet]:
    """The sets of a name or path in order of their years: all years for `default`, one for a set named itself."""
    index = _index()
    if name == DEFAULT:
        return [_shipped(known) for known in sorted(index, key=lambda known: index[known]["year"])]
    if name in index:
        return [_shipped(name)]
    if "/" in name or name.endswith(".csv") or Path(name).exists():
        return _own(Path(name))
    raise SettingsError(
        f"emissions.factor_set = {name!r} is not known; known are {', '.join(factor_set_names())}, "
        "and the path of a set of your own"
    )


@cache
def _shipped(name: str) -> FactorSet:
    entry = _index()[name]
    factors = [factor for file in entry["files"] for factor in read_factors(SETS / file)]
    models = read_models(SETS / "vehicles.toml")
    return FactorSet(name=name, title=entry["title"], year=entry["year"], factors=factors, models=models)


def _own(path: Path) -> list[FactorSet]:
    """A directory with `set.toml`, or one CSV file: its numbers over those of the sets that it extends."""
    where = f"emissions.factor_set {str(path)!r}"
    try:
        described = _describe(path)
        folder = path if path.is_dir() else path.parent
        own = [factor for file in described.files for factor in read_factors(folder / file)]
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from error
    sets = []
    for base in load_sets(described.extends):
        name = f"{described.name}-{base.year}"
        covering = [factor for factor in own if factor.covers(base.year)]
        factors = [factor for factor in base.factors() if not factor.factor.startswith("van.")] + covering
        sets.append(FactorSet(name=name, title=described.title, year=base.year, factors=factors, models=base.models))
    _check(sets, where)
    return sets


def _describe(path: Path) -> _OwnSet:
    if not path.is_dir():
        if not path.is_file():
            raise SettingsError("does not exist; give a directory with a set.toml, or a CSV file")
        name = re.sub(r"[^A-Za-z0-9._-]", "-", path.stem)[:40]
        return _OwnSet(name=name, title=f"own factors of {path.name}", files=[path.name])
    try:
        return _OwnSet.model_validate(tomllib.loads(_text(path / "set.toml")))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"set.toml is not valid TOML: {error}") from error
    except (ValidationError, RecursionError) as error:
        raise SettingsError(f"set.toml: {_first(error)}") from error


def _check(sets: list[FactorSet], where: str) -> None:
    """Compute every grid and diesel van once, so that an incomplete set is refused at the start."""
    for factors in sets:
        try:
            for country in factors.countries():
                factors.for_country(country)
            for diesel_class in factors.diesel_classes():
                factors.diesel(diesel_class)
        except SettingsError as error:
            raise SettingsError(f"{where}: {error}") from error
        except ZeroDivisionError as error:
            raise SettingsError(f"{where}: grid.generation or a whole grid is 0; others are divided by it") from error


def read_factors(file: Traversable) -> list[Factor]:
    """The factors of one CSV file; a bad or repeated line is a `SettingsError` that names file, line and column."""
    factors: dict[tuple[str, str, str], Factor] = {}
    reader = csv.DictReader(_text(file).splitlines(), strict=True)
    try:
        for row in reader:
            where = f"{file.name} line {reader.line_num}"
            try:
                factor = Factor.model_validate(row)
            except ValidationError as error:
                raise SettingsError(f"{where}: {_first(error)}") from error
            key = (factor.factor, factor.scope, factor.valid)
            if key in factors:
                raise SettingsError(f"{where}: {factor.factor} for {factor.scope!r} is given twice")
            factors[key] = factor
    except csv.Error as error:
        raise SettingsError(f"{file.name} line {reader.line_num}: {error}") from error
    if not factors:
        raise SettingsError(f"{file.name} has no factors; its columns are {', '.join(COLUMNS)}")
    return list(factors.values())


COLUMNS: Final = ("factor", "scope", "value", "unit", "year", "valid", "gwp", "mark", "licence", "source")


def read_models(file: Traversable) -> dict[str, VanModel]:
    """The van models of one TOML file, by key."""
    try:
        content = tomllib.loads(_text(file))
        return {key: VanModel.model_validate(entry) for key, entry in content.items()}
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise SettingsError(f"{file.name}: {error}") from error


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    detail = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in detail["loc"])
    given = "" if isinstance(detail["input"], dict) else f" = {detail['input']!r}"
    return f"{key}{given}: {detail['msg'].removeprefix('Value error, ')}".removeprefix(": ")


def _text(file: Traversable) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise SettingsError(f"{file.name} is larger than {MAX_FILE_BYTES >> 20} MB")
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file.name} cannot be read: {error}") from error


@cache
def _index() -> dict[str, Any]:
    sets: dict[str, Any] = tomllib.loads(_text(SETS / "sets.toml"))["sets"]
    return sets
