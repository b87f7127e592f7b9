"""Presets: mappings of well-known senders, one data file each. `docs/dialects-NAME.md` describes each of them."""

import tomllib
from collections.abc import Collection, Iterable
from functools import cache
from importlib.resources import files
from typing import Any, Final

from agent.dialects.names import NAMES

PRESETS: Final = ("traccar", "flespi", "teltonika", "owntracks")


@cache
def _table(name: str) -> dict[str, Any]:
    return tomllib.loads(files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))


def preset(name: str) -> dict[str, Any]:
    """The table of a preset, as it would be in `[dialects.NAME]`."""
    table = _table(name)
    return {**table, "fields": dict(table["fields"])}


def check_names(names: Iterable[str], mappings: Collection[str]) -> None:
    """Raise `ValueError` for a name in `mqtt.dialects` that is neither programmed, nor a preset, nor a mapping."""
    known = [*NAMES, *PRESETS, *(name for name in mappings if name not in PRESETS)]
    for name in names:
        if name not in known:
            raise ValueError(
                f"mqtt.dialects: {name!r} is none of {', '.join(known)}; a mapping needs [dialects.{name}]"
            )


def with_presets(tables: Any) -> Any:
    """The tables `[dialects.NAME]`, each completed by its preset. Raises `ValueError`."""
    if not isinstance(tables, dict):
        return tables
    for name in tables:
        if name in NAMES:
            raise ValueError(f"{name!r} is the name of a dialect that there is already; choose another one")
    return {name: with_preset(name, table) for name, table in tables.items()}


def with_preset(name: str, table: Any) -> Any:
    """A table `[dialects.NAME]`, completed by the preset that it names, or by that of its own name.

    A key of the table replaces that of the preset, and so does each field. `false` for a field leaves it out. A topic
    that names the van replaces the preset's `vehicle_id`. Raises `ValueError` for an unknown preset.
    """
    if not isinstance(table, dict):
        return table
    chosen = table.get("preset", name if name in PRESETS else None)
    if chosen is None:
        return table
    if chosen not in PRESETS:
        raise ValueError(f"{name}.preset = {chosen!r}: choose from {', '.join(PRESETS)}")
    base = preset(chosen)
    own_fields = table.get("fields", {})
    if not isinstance(own_fields, dict):
        return table
    fields = {key: value for key, value in (base["fields"] | own_fields).items() if value is not False}
    if "topic" in table and "vehicle_id" not in table and "{vehicle_id}" in str(table["topic"]).split("/"):
        base.pop("vehicle_id", None)
    return base | table | {"fields": fields}
