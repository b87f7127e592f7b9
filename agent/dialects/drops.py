"""Drops: goods loaded and unloaded, from a `drop` message or from an imported manifest.

A manifest enters the log under a topic that no broker delivers: `$manifest/{vehicle_id}`. Its payload is an array of
drops, as under `{prefix}/{vehicle_id}/drop`.
"""

from typing import Any, Final, Literal

from pydantic_core import CoreSchema, SchemaValidator, ValidationError, core_schema

from agent.dialects.timestamps import check_window, parse_time
from agent.errors import Reason, Rejected
from agent.readings import DROP_RANGES, DropReading

KIND: Final = "drop"
MANIFEST: Final = "$manifest/"
TEXT_CHARACTERS: Final = 64
LARGEST_SEQ: Final = 2**63 - 1


def drop_of(
    element: Any,
    vehicle_id: str,
    received_ms: int,
    *,
    imported: bool,
    max_age_ms: int,
    max_ahead_ms: int,
    other_arrival_ms: int = 0,
) -> DropReading:
    """The drop that one decoded JSON object describes. Raises `Rejected`."""
    try:
        fields = _SCHEMA.validate_python(element)
    except ValidationError as error:
        raise _rejection(error) from error
    if fields.get("vehicle_id", vehicle_id) != vehicle_id:
        raise Rejected(
            "identity_mismatch", f"vehicle_id {fields['vehicle_id'][:70]!r} under the topic of {vehicle_id!r}"
        )
    if "mass_kg" not in fields and "items" not in fields:
        raise Rejected("schema", "mass_kg or items: one of them is required")
    if ("latitude_deg" in fields) != ("longitude_deg" in fields):
        raise Rejected("schema", "latitude_deg and longitude_deg: both or none")
    for name in ("consignment_id", "customer_id"):
        if name in fields and not fields[name].isprintable():
            raise Rejected("schema", f"{name}: {fields[name]!r} is not printable")
    time_ms = parse_time(fields.pop("time"))
    check_window(
        time_ms,
        received_ms,
        max_age_ms=max_age_ms,
        max_ahead_ms=max_ahead_ms,
        other_arrival_ms=other_arrival_ms,
    )
    action: Literal["load", "unload"] = fields.pop("action")
    fields.pop("vehicle_id", None)
    return DropReading(vehicle_id=vehicle_id, time_ms=time_ms, action=action, imported=imported, **fields)


def _rejection(error: ValidationError) -> Rejected:
    """The error to report: a wrong type before a value out of range, as with readings."""
    details = error.errors(include_url=False, include_context=False)
    ranges = {"greater_than_equal", "less_than_equal", "finite_number", "int_parsing_size"}
    detail = next((each for each in details if each["type"] not in ranges), details[0])
    reason: Reason = "out_of_range" if detail["type"] in ranges else "schema"
    field = ".".join(map(str, detail["loc"])) or "payload"
    given = "" if detail["type"] == "missing" else f" ({repr(detail['input'])[:60]})"
    return Rejected(reason, f"{field}: {detail['msg']}{given}")


def _schema() -> CoreSchema:
    text = core_schema.str_schema(strict=True, min_length=1, max_length=TEXT_CHARACTERS)
    optional: dict[str, CoreSchema] = {
        "vehicle_id": core_schema.str_schema(strict=True),
        "seq": core_schema.int_schema(ge=0, le=LARGEST_SEQ, strict=True),
        "consignment_id": text,
        "customer_id": text,
    }
    for name, (low, high) in DROP_RANGES.items():
        if isinstance(low, int):
            optional[name] = core_schema.int_schema(ge=low, le=int(high), strict=True)
        else:
            optional[name] = core_schema.float_schema(ge=low, le=high, allow_inf_nan=False, strict=True)
    fields = {
        "time": core_schema.typed_dict_field(core_schema.any_schema()),
        "action": core_schema.typed_dict_field(core_schema.literal_schema(["load", "unload"])),
        **{name: core_schema.typed_dict_field(each, required=False) for name, each in optional.items()},
    }
    return core_schema.typed_dict_schema(fields, extra_behavior="ignore", total=True)


_SCHEMA: Final = SchemaValidator(_schema())
