"""The native dialect: `{prefix}/{vehicle_id}/{kind}` with a JSON object or an array of objects.

There are two ways to decode a payload. The plain way is one strict decoder per kind, from bytes to the reading, and
takes half the time. Everything that it does not accept (an array, an unknown field, any error) takes the thorough way,
by pydantic. Only the thorough way refuses a payload, and it gives the reason.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Annotated, Any, Final, NamedTuple, cast

import msgspec
from msgspec import Meta, MsgspecError, convert, defstruct
from msgspec.json import Decoder
from msgspec.structs import astuple
from pydantic_core import CoreSchema, SchemaValidator, ValidationError, core_schema

from agent.dialects.base import Dialect, Item, first_levels
from agent.dialects.drops import KIND as DROP
from agent.dialects.drops import MANIFEST, drop_of
from agent.dialects.identity import is_vehicle_id
from agent.dialects.strict_json import check_json, parse_json
from agent.dialects.timestamps import DAY_MS, MINUTE_MS, check_window, parse_time
from agent.errors import Reason, Rejected
from agent.fast.attributes import quick_to_set
from agent.fast.other_keys import may_have_other_keys
from agent.messages import Message
from agent.readings import RANGES, DropReading, Reading

SOC_FIELDS: Final = (
    "soc_pct",
    "battery_power_kw",
    "voltage_v",
    "current_a",
    "battery_temp_c",
    "soh_pct",
    "range_km",
    "ambient_temp_c",
    "charging",
    "plugged_in",
    "energy_out_total_kwh",
    "energy_in_total_kwh",
)
LOCATION_FIELDS: Final = (
    "latitude_deg",
    "longitude_deg",
    "altitude_m",
    "speed_kmh",
    "heading_deg",
    "accuracy_m",
    "odometer_km",
)
LOAD_FIELDS: Final = ("payload_kg", "parcels")
KINDS: Final[dict[str, tuple[str, ...]]] = {
    "soc": SOC_FIELDS,
    "location": LOCATION_FIELDS,
    "telemetry": SOC_FIELDS + LOCATION_FIELDS,
    "load": LOAD_FIELDS,
}
"""The fields of each kind besides `time`, `vehicle_id` and `seq`. Fields of another kind count as unknown fields."""

REQUIRED: Final = frozenset({"soc_pct", "latitude_deg", "longitude_deg"})
LARGEST_INTEGER: Final = 2**63 - 1

_TOPICS_KEPT: Final = 16_384
"""Topics whose meaning is kept: 0.3 kB each. Parsing a topic again takes 1 µs."""
_FIELDS: Final = len(Reading.__struct_fields__) - 1
"""The number of fields of a reading that a van may send: all but `stale`."""
_RANGE_ERRORS: Final = frozenset({"greater_than_equal", "less_than_equal", "finite_number", "int_parsing_size"})


class _Route(NamedTuple):
    """What a topic means."""

    vehicle_id: str
    kind: str
    schema: SchemaValidator | None
    """None for drops, which are rare and take the thorough way only."""
    decode_plain: Callable[[bytes], Reading]


class _Arrival(NamedTuple):
    """The arrival times that an event time is checked against; `other_arrival_ms` is that of `Message`."""

    received_ms: int
    other_arrival_ms: int


class NativeDialect(Dialect):
    """The JSON of vanpulse itself.

    `max_age_ms` and `max_ahead_ms` bound the event time against the arrival; `max_elements` the length of an array.
    """

    name = "native"

    def __init__(
        self,
        *,
        prefix: str = "vans",
        max_age_ms: int = 7 * DAY_MS,
        max_ahead_ms: int = 5 * MINUTE_MS,
        max_elements: int = 5000,
    ) -> None:
        self._prefix = f"{prefix}/"
        self._max_age_ms = max_age_ms
        self._max_ahead_ms = max_ahead_ms
        self._max_elements = max_elements
        self._routes: dict[str, _Route] = {}
        self._schemas = {kind: SchemaValidator(_object_schema(fields)) for kind, fields in KINDS.items()}
        self._plain = {kind: _plain_decoder(kind, fields) for kind, fields in KINDS.items()}

    def topic_filters(self) -> list[str]:
        """Everything below the prefix. So a mistyped topic becomes a dead letter and is not lost unnoticed."""
        return [f"{self._prefix}#"]

    def claims(self, topic: str) -> bool:
        """Whether the topic is below the prefix."""
        return topic.startswith(self._prefix)

    def sender(self, topic: str) -> str | None:
        """The topic's van, with any levels after it."""
        vehicle_id = topic[len(self._prefix) :].partition("/")[0]
        if not vehicle_id:
            return None
        return vehicle_id if is_vehicle_id(vehicle_id) else first_levels(topic)

    def identify(self, message: Message) -> str | None:
        """The topic's van. A payload that names another van is refused."""
        try:
            return (self._routes.get(message.topic) or self._route(message.topic)).vehicle_id
        except Rejected:
            return None

    def decode(self, message: Message, received_ms: int) -> Iterable[Item]:
        """The readings of one payload, oldest first; see `Dialect.decode`."""
        route = self._routes.get(message.topic) or self._route(message.topic)
        payload = message.payload
        try:
            reading = route.decode_plain(payload)
        except (MsgspecError, UnicodeDecodeError):
            return self._decode_thoroughly(route, payload, received_ms, message.other_arrival_ms)
        colons = _FIELDS - astuple(reading).count(None)
        if reading.vehicle_id is None:
            reading.vehicle_id = route.vehicle_id
        time_ms: Any = reading.time_ms
        if type(time_ms) is str:
            colons += time_ms.count(":")
            try:
                time_ms = reading.time_ms = parse_time(time_ms)
            except Rejected:
                return self._decode_thoroughly(route, payload, received_ms, message.other_arrival_ms)
        if (
            may_have_other_keys(payload, colons)
            or reading.vehicle_id != route.vehicle_id
            or not received_ms - self._max_age_ms <= time_ms <= received_ms + self._max_ahead_ms
        ):
            return self._decode_thoroughly(route, payload, received_ms, message.other_arrival_ms)
        return (reading,)

    def _decode_thoroughly(
        self, route: _Route, payload: bytes, received_ms: int, other_arrival_ms: int = 0
    ) -> Iterable[Item]:
        """Decode any payload, plain or not."""
        arrival = _Arrival(received_ms, other_arrival_ms)
        if route.schema is None:
            return self._decode_drops(route, payload, arrival)
        try:
            fields = route.schema.validate_json(payload)
        except ValidationError as error:
            return self._decode_unusual(route, payload, arrival, error)
        time = fields["time"]
        colons = len(fields) + (time.count(":") if type(time) is str else 0)
        if may_have_other_keys(payload, colons) or type(time) is float:
            check_json(payload)
        return (self._reading(route, fields, arrival),)

    def _route(self, topic: str) -> _Route:
        if topic.startswith(MANIFEST):
            return _Route(topic.removeprefix(MANIFEST), MANIFEST, None, _no_short_way)
        vehicle_id, slash, kind = topic.removeprefix(self._prefix).partition("/")
        known = self.claims(topic) and slash and (kind in self._schemas or kind == DROP)
        if not known or not is_vehicle_id(vehicle_id):
            raise Rejected("unknown_topic", f"{topic[:200]!r} is not {self._prefix}VEHICLE_ID/{'|'.join(KINDS)}|{DROP}")
        if len(self._routes) >= _TOPICS_KEPT:
            self._routes.clear()
        route = self._routes[topic] = _Route(
            vehicle_id, kind, self._schemas.get(kind), self._plain.get(kind, _no_short_way)
        )
        return route

    def _decode_drops(self, route: _Route, payload: bytes, arrival: _Arrival) -> Iterable[Item]:
        """A drop, or an array of them."""
        content = parse_json(payload)
        if not isinstance(content, list):
            return (self._drop(route, content, arrival),)
        if not content:
            raise Rejected("schema", "an array without a drop")
        if len(content) > self._max_elements:
            raise Rejected("oversize", f"{len(content)} drops in one message; the limit is {self._max_elements}")
        items: list[Item] = []
        for element in content:
            try:
                items.append(self._drop(route, element, arrival))
            except Rejected as rejected:
                items.append(rejected)
        return items

    def _drop(self, route: _Route, element: object, arrival: _Arrival) -> DropReading:
        return drop_of(
            element,
            route.vehicle_id,
            arrival.received_ms,
            other_arrival_ms=arrival.other_arrival_ms,
            imported=route.kind == MANIFEST,
            max_age_ms=self._max_age_ms,
            max_ahead_ms=self._max_ahead_ms,
        )

    def _reading(self, route: _Route, fields: dict[str, Any], arrival: _Arrival) -> Reading:
        """The reading of one validated object."""
        vehicle_id = route.vehicle_id
        if "vehicle_id" in fields and fields["vehicle_id"] != vehicle_id:
            raise Rejected(
                "identity_mismatch", f"vehicle_id {fields['vehicle_id'][:70]!r} under the topic of {vehicle_id!r}"
            )
        time_ms = parse_time(fields.pop("time"))
        received_ms, other_arrival_ms = arrival
        if not received_ms - self._max_age_ms <= time_ms <= received_ms + self._max_ahead_ms:
            check_window(
                time_ms,
                received_ms,
                max_age_ms=self._max_age_ms,
                max_ahead_ms=self._max_ahead_ms,
                other_arrival_ms=other_arrival_ms,
            )
        if route.kind == "load" and "payload_kg" not in fields and "parcels" not in fields:
            raise Rejected("schema", "payload_kg or parcels: one of them is required")
        fields["vehicle_id"] = vehicle_id
        fields["time_ms"] = time_ms
        return convert(fields, Reading)  # a third faster than Reading(**fields)

    def _decode_unusual(
        self, route: _Route, payload: bytes, arrival: _Arrival, error: ValidationError
    ) -> Iterable[Reading | Rejected]:
        """Decode an array, or reject the payload."""
        first = error.errors(include_url=False, include_context=False)[0]
        assert route.schema is not None  # noqa: S101  # drops are decoded elsewhere
        if first["type"] == "json_invalid":
            raise rejection(error) from error
        check_json(payload)
        if first["type"] != "dict_type" or first["loc"] or not isinstance(first["input"], list):
            raise rejection(error) from error
        elements = first["input"]
        if not elements:
            raise Rejected("schema", "an array without a reading")
        if len(elements) > self._max_elements:
            raise Rejected("oversize", f"{len(elements)} readings in one message; the limit is {self._max_elements}")
        return oldest_first([self._element(route, element, arrival) for element in elements])

    def _element(self, route: _Route, element: object, arrival: _Arrival) -> Reading | Rejected:
        """One element of an array. Does not raise."""
        assert route.schema is not None  # noqa: S101  # drops are decoded elsewhere
        try:
            return self._reading(route, route.schema.validate_python(element), arrival)
        except ValidationError as error:
            return rejection(error)
        except Rejected as rejected:
            return rejected


def _no_short_way(payload: bytes) -> Reading:
    raise MsgspecError(f"{len(payload)} bytes are looked at thoroughly")


@cache
def _plain_decoder(kind: str, fields: tuple[str, ...]) -> Callable[[bytes], Reading]:
    """A decoder of readings of this kind: only the kind's own fields, each in its range, no null.

    Fields of other kinds get a name with a colon. A payload that uses such a name has too many colons and is noticed.
    """
    needed = {"time_ms", *(LOAD_FIELDS if kind == "load" else REQUIRED.intersection(fields))}
    names = {"time_ms": "time", "vehicle_id": "vehicle_id", "seq": "seq"} | {name: name for name in fields}
    described: list[Any] = []
    for field in msgspec.structs.fields(Reading):
        if field.name in needed:
            described.append((field.name, _plain_type(field.name)))
        else:
            described.append((field.name, _plain_type(field.name), None if field.required else field.default))
    plain = cast(
        "type[Reading]",
        defstruct(
            f"{kind.capitalize()}Reading",
            described,
            bases=(Reading,),
            module=__name__,
            kw_only=True,
            gc=False,
            forbid_unknown_fields=True,
            rename=lambda name: names.get(name, f"{name}:"),
        ),
    )
    return Decoder(quick_to_set(plain)).decode


def _plain_type(name: str) -> Any:
    if name == "vehicle_id":
        return str
    if name == "time_ms":
        return int | str
    low, high = {"seq": (0, LARGEST_INTEGER)}.get(name) or RANGES.get(name) or (None, None)
    if low is None:
        return bool
    return Annotated[int if isinstance(low, int) else float, Meta(ge=low, le=high)]


def oldest_first(items: list[Reading | Rejected]) -> list[Reading | Rejected]:
    """Sort the readings by event time. Each rejected element keeps its place."""
    readings = iter(sorted((item for item in items if isinstance(item, Reading)), key=lambda reading: reading.time_ms))
    return [next(readings) if isinstance(item, Reading) else item for item in items]


def rejection(error: ValidationError) -> Rejected:
    """The error to report: broken JSON before a wrong type before a value out of range."""
    details = error.errors(include_url=False, include_context=False)
    detail = next((each for each in details if each["type"] not in _RANGE_ERRORS), details[0])
    reason: Reason = "schema"
    if detail["type"] in _RANGE_ERRORS or "number out of range" in detail["msg"]:
        reason = "out_of_range"
    elif detail["type"] == "json_invalid":
        return Rejected("malformed", detail["msg"])
    field = ".".join(map(str, detail["loc"])) or "payload"
    given = "" if detail["type"] in {"missing", "json_invalid"} else f" ({repr(detail['input'])[:60]})"
    return Rejected(reason, f"{field}: {detail['msg']}{given}")


def _object_schema(fields: tuple[str, ...]) -> CoreSchema:
    schemas: dict[str, core_schema.TypedDictField] = {
        "time": core_schema.typed_dict_field(core_schema.any_schema()),
        "vehicle_id": core_schema.typed_dict_field(core_schema.str_schema(strict=True), required=False),
        "seq": core_schema.typed_dict_field(
            core_schema.int_schema(ge=0, le=LARGEST_INTEGER, strict=True), required=False
        ),
    }
    for name in fields:
        schemas[name] = core_schema.typed_dict_field(field_schema(name), required=name in REQUIRED)
    return core_schema.typed_dict_schema(schemas, extra_behavior="ignore", total=True)


def field_schema(name: str) -> CoreSchema:
    """The strict type and the range of one field."""
    if name not in RANGES:
        return core_schema.bool_schema(strict=True)
    low, high = RANGES[name]
    if isinstance(low, int):
        return core_schema.int_schema(ge=low, le=int(high), strict=True)
    return core_schema.float_schema(ge=low, le=high, allow_inf_nan=False, strict=True)
