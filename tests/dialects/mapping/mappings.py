"""Mappings in a test: made from TOML as in the settings file, asked for the meaning of a message."""

import json
import tomllib
from typing import Any

from agent.dialects.base import Item
from agent.dialects.decoder import Decoder, make_dialects
from agent.dialects.mapping.settings import MappingSettings
from agent.dialects.presets import with_preset
from agent.errors import Rejected
from agent.messages import Message
from agent.readings import Reading

NOW_MS = 1_773_065_130_500
"""2026-03-09T14:05:30.500Z."""


def decoder_of(toml: str, *, identities: dict[str, str] | None = None, **options: Any) -> Decoder:
    """The decoder of the tables in `[dialects.NAME]`, given without the prefix: `[NAME]`."""
    tables = {
        name: MappingSettings.model_validate(with_preset(name, table)) for name, table in tomllib.loads(toml).items()
    }
    return Decoder(make_dialects(list(tables), mappings=tables, identities=identities, **options))


def mapping(keys: str = "", **fields: str) -> str:
    """The TOML of a mapping `g` under `acme/{vehicle_id}/status` with these fields."""
    lines = "\n".join(f"{name} = {source}" for name, source in fields.items())
    return f'[g]\ntopic = "acme/{{vehicle_id}}/status"\n{keys}\n[g.fields]\n{lines}\n'


def told(decoder: Decoder, topic: str, payload: Any, *, now_ms: int = NOW_MS, retained: bool = False) -> list[Item]:
    """What one message gives; a rejection of the whole message as the only item."""
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    try:
        return list(decoder.decode(Message(topic, content, retained=retained), now_ms))
    except Rejected as rejected:
        return [rejected]


def outcome(toml: str, payload: Any) -> Any:
    """The reading of a message under `acme/van-7/status`, without what is unknown; or why it is refused."""
    items = told(decoder_of(toml), "acme/van-7/status", payload)
    if len(items) == 1 and isinstance(items[0], Rejected):
        return items[0].reason
    return [fields_of(item) for item in items]


def fields_of(item: Item) -> dict[str, Any]:
    """The known fields of a reading beyond van and time."""
    assert isinstance(item, Reading), item
    values = {name: getattr(item, name) for name in Reading.__struct_fields__}
    return {
        name: value
        for name, value in values.items()
        if value is not None and name not in {"vehicle_id", "time_ms", "stale"}
    }
