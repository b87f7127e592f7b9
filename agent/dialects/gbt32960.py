"""GB/T 32960: as JSON from EMQX's gateway, `…/upstream/info` and `…/upstream/reinfo`, and as frames, `…/frame`.

Envelope, keys and scaling: `apps/emqx_gateway_gbt32960/doc/Data_Exchange_Guide_EN.md` of emqx/emqx, editions 2016 and
2025. All numbers are raw integers. The two largest of each width (254 and 255 of 8 bits) mean "abnormal" and "invalid";
both are taken as unknown. The standard does not define the sign of the current. It is learnt for each van, and the
current is left out until it is known.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.dialects.base import Dialect
from agent.dialects.gbt32960_blocks import time_and_blocks
from agent.dialects.gbt32960_current import CurrentMemory, CurrentSign, learn
from agent.dialects.gbt32960_frame import ENCRYPTIONS, NOT_ENCRYPTED, Command, parse_frame
from agent.dialects.gbt32960_reports import ReportTimes
from agent.dialects.gcj02 import to_wgs84
from agent.dialects.identity import is_vin, resolve_vin
from agent.dialects.memories import MAX_VANS, Memories
from agent.dialects.native import rejection
from agent.dialects.strict_json import parse_json
from agent.dialects.timestamps import DAY_MS, MINUTE_MS, check_window
from agent.errors import Rejected
from agent.messages import Message, MessageKind
from agent.readings import Reading

Coordinates = Literal["wgs84", "gcj02"]

BEIJING_MINUTES: Final = 480
REAL_TIME: Final = "upstream/info"
REPORTS: Final = (f"/{REAL_TIME}", "/upstream/reinfo")
FRAME: Final = "/frame"
"""The end of the topic under which the listener of the agent journals a frame as it was received."""
CHARGING_PARKED, CHARGING_DONE = 1, 4
WGS84, GCJ02 = 1, 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR_MS: Final = 60 * MINUTE_MS
CLOCK_TOLERANCE_MS: Final = 3 * MINUTE_MS
REPORTS_TO_BELIEVE: Final = 10
_WIDE_OFFSET_FROM: Final = 20_001
"""Raw currents from here on have the offset of the 2025 edition, 3000 A. Below, they have that of 2016, 1000 A."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class _Time(_Part):
    """Local time in the zone of the van's clock. The year has two digits."""

    year: Annotated[int, Field(alias="Year", ge=0, le=99)]
    month: Annotated[int, Field(alias="Month", ge=1, le=12)]
    day: Annotated[int, Field(alias="Day", ge=1, le=31)]
    hour: Annotated[int, Field(alias="Hour", ge=0, le=23)]
    minute: Annotated[int, Field(alias="Minute", ge=0, le=59)]
    second: Annotated[int, Field(alias="Second", ge=0, le=59)]


class _Report(_Part):
    time: _Time = Field(alias="Time")
    blocks: list[dict[str, Any]] = Field(alias="Infos", max_length=256)


class _Envelope(_Part):
    vin: str = Field(alias="Vin", min_length=1, max_length=64)
    encryption: int = Field(NOT_ENCRYPTED, alias="Encrypt")
    report: _Report = Field(alias="Data")


class _VinOnly(msgspec.Struct, gc=False):
    """`_Envelope` of which only the VIN is decoded."""

    vin: str = msgspec.field(name="Vin")


_decode_vin: Final = msgspec.json.Decoder(_VinOnly).decode


class VanMemory(msgspec.Struct, array_like=True):
    """What is remembered of one van."""

    current: CurrentMemory = msgspec.field(default_factory=CurrentMemory)
    hours_behind: int = 0
    """By how many whole hours the van's clock seems to be behind; negative if it is ahead."""
    reports_behind: int = 0
    """How many real-time reports in a row agree on that."""
    times: ReportTimes = msgspec.field(default_factory=ReportTimes)

    def compare_clocks(self, lag_ms: int) -> None:
        """Learn from the time between a real-time report and its arrival."""
        hours = round(lag_ms / HOUR_MS)
        if hours == 0 or abs(lag_ms - hours * HOUR_MS) > CLOCK_TOLERANCE_MS:
            self.reports_behind = 0
        elif hours == self.hours_behind:
            self.reports_behind += 1
        else:
            self.hours_behind, self.reports_behind = hours, 1


class Gbt32960Dialect(Dialect):
    """Vans that report by GB/T 32960. The name of the sender is the VIN in the payload.

    `utc_offset_minutes` is the zone of the vans' clocks. `coordinates` holds where a message does not state its system.
    `current_sign` sets the sign of the current instead of learning it.
    """

    name = "gbt32960"

    def __init__(
        self,
        *,
        prefix: str = "gbt32960",
        identities: Mapping[str, str],
        subscribed: bool = True,
        utc_offset_minutes: int = BEIJING_MINUTES,
        coordinates: Coordinates = "wgs84",
        current_sign: CurrentSign = "learn",
        max_age_ms: int = 7 * DAY_MS,
        max_ahead_ms: int = 5 * MINUTE_MS,
        max_vans: int = MAX_VANS,
    ) -> None:
        self.ignored = 0
        """Messages without measurements: logins, logouts, answers."""
        self._prefix = f"{prefix}/"
        self._subscribed = subscribed
        self._identities = identities
        self._known = frozenset(identities.values())
        self._utc_offset = timedelta(minutes=utc_offset_minutes)
        self._coordinates = coordinates
        self._current_sign: CurrentSign = current_sign
        self._max_age_ms = max_age_ms
        self._max_ahead_ms = max_ahead_ms
        self._memories = Memories(VanMemory, max_vans=max_vans)

    def topic_filters(self) -> list[str]:
        """All topics below the prefix, with any mount point; none if its frames come from the listener alone."""
        return [f"{self._prefix}#"] if self._subscribed else []

    def claims(self, topic: str) -> bool:
        """Every topic below the prefix. Messages other than reports are ignored."""
        return topic.startswith(self._prefix)

    def sender(self, topic: str) -> str | None:
        """The van of the mount point, if it names one by a VIN or by the identity table."""
        mount = self._mount(topic)
        if not mount:
            return None
        return self._identities.get(mount[-1]) or (mount[-1] if is_vin(mount[-1]) else None)

    def identify(self, message: Message) -> str | None:
        """The van of the payload's VIN; the topic need not name one."""
        if message.topic.endswith(FRAME):
            frame = parse_frame(message.payload)
            return None if frame is None else self._van_of(frame.vin)
        if not _is_report(message.topic):
            return None
        try:
            return self._van_of(_decode_vin(message.payload).vin)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def decode(self, message: Message, received_ms: int) -> Iterable[Reading | Rejected]:
        """The one reading of a report, real-time or reissued. It has no values if there was one of the same time."""
        if message.topic.endswith(FRAME):
            content, real_time = _from_frame(message.payload)
        elif _is_report(message.topic):
            content, real_time = parse_json(message.payload), message.topic.endswith(REAL_TIME)
        else:
            self.ignored += 1
            return ()
        try:
            envelope = _Envelope.model_validate(content)
        except ValidationError as error:
            raise rejection(error) from error
        if envelope.encryption != NOT_ENCRYPTED:
            raise Rejected("schema", f"encrypted ({envelope.encryption}): the gateway does not decrypt")
        vehicle_id = resolve_vin(self._identities, envelope.vin)
        self._check_topic(message.topic, envelope.vin)
        time_ms = self._time_ms(envelope.report.time)
        if real_time:
            self._memories.of(vehicle_id).compare_clocks(received_ms - time_ms)
        check_window(
            time_ms,
            received_ms,
            max_age_ms=self._max_age_ms,
            max_ahead_ms=self._max_ahead_ms,
            other_arrival_ms=message.other_arrival_ms,
        )
        fields = self._fields(vehicle_id, time_ms, envelope.report.blocks)
        is_first = self._memories.of(vehicle_id).times.is_first(time_ms)
        if not is_first and message.kind != MessageKind.REPLAYED:  # what is replayed was read before, and gave no row
            fields = {}
        return (msgspec.convert({"vehicle_id": vehicle_id, "time_ms": time_ms, **fields}, Reading),)

    def changed(self) -> dict[str, bytes]:
        """See `Dialect.changed`."""
        return self._memories.changed()

    def restore(self, memories: Mapping[str, bytes]) -> None:
        """See `Dialect.restore`."""
        self._memories.restore(memories)

    def findings(self) -> dict[str, str]:
        """The sign of each van's current, and the vans whose clock is in another zone."""
        return {vehicle_id: "; ".join(self._findings(memory)) for vehicle_id, memory in self._memories}

    def _findings(self, memory: VanMemory) -> Iterator[str]:
        words = {0: "not known yet: left out", 1: "positive into the battery", -1: "positive out of the battery"}
        forced = {"positive_in": 1, "positive_out": -1}
        yield f"current {words[forced.get(self._current_sign, memory.current.sign)]}"
        if memory.reports_behind >= REPORTS_TO_BELIEVE:
            way = "behind" if memory.hours_behind > 0 else "ahead"
            yield f"clock {abs(memory.hours_behind)} h {way}: check mqtt.gbt32960_utc_offset"

    def _van_of(self, vin: str) -> str | None:
        try:
            return resolve_vin(self._identities, vin)
        except Rejected:
            return None

    def _mount(self, topic: str) -> list[str]:
        """The levels of the topic between the prefix and `upstream` or `frame`."""
        end = "frame" if topic.endswith(FRAME) else "upstream/"
        return [level for level in topic.removeprefix(self._prefix).rpartition(end)[0].split("/") if level]

    def _check_topic(self, topic: str, vin: str) -> None:
        """Raise `Rejected` if a level of the mount point names another van than the payload does."""
        ours = self._identities.get(vin, vin)
        for level in self._mount(topic):
            names = self._identities.get(level) or (level if is_vin(level) or level in self._known else None)
            if names not in {None, ours}:
                raise Rejected("identity_mismatch", f"Vin {vin!r} under the topic of {level[:70]!r}")

    def _time_ms(self, time: _Time) -> int:
        try:
            local = datetime(2000 + time.year, time.month, time.day, time.hour, time.minute, time.second, tzinfo=UTC)
        except ValueError as error:
            raise Rejected("out_of_range", f"Data.Time: {error}") from error
        return (local - self._utc_offset - _EPOCH) // timedelta(milliseconds=1)

    def _fields(self, vehicle_id: str, time_ms: int, blocks: list[dict[str, Any]]) -> dict[str, Any]:
        """The fields of a reading from all blocks that have a meaning here."""
        fields: dict[str, Any] = {}
        for block in blocks:
            match block.get("Type"):
                case "Vehicle":
                    fields |= self._vehicle(vehicle_id, time_ms, block)
                case "Location":
                    fields |= self._location(block)
                case "Extreme":
                    _put(fields, "battery_temp_c", _mean_temperature([block.get("MaxTemp"), block.get("MinTemp")]))
                case "ChargeableTemp" | "TempOfPowerBattery":
                    fields |= _probes(block)
        return fields

    def _vehicle(self, vehicle_id: str, time_ms: int, block: dict[str, Any]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        _put(fields, "speed_kmh", scaled(block, "Speed", bits=16, high=2200, scale=0.1))
        _put(fields, "odometer_km", scaled(block, "Mileage", bits=32, high=9_999_999, scale=0.1))
        _put(fields, "voltage_v", scaled(block, "Voltage", bits=16, high=10_000, scale=0.1))
        _put(fields, "soc_pct", scaled(block, "SOC", bits=8, high=100))
        charging = raw(block, "Charging", bits=8, high=253)
        if charging is not None:
            fields["charging"] = charging == CHARGING_PARKED
            if charging in {CHARGING_PARKED, CHARGING_DONE}:
                fields["plugged_in"] = True
        current = raw(block, "Current", bits=16, high=60_000)
        if current is not None:
            unsigned_a = round(current * 0.1 - (1000.0 if current < _WIDE_OFFSET_FROM else 3000.0), 1)
            sign = self._sign(vehicle_id, time_ms, fields, unsigned_a)
            if sign:
                fields["current_a"] = sign * unsigned_a + 0.0
                if "voltage_v" in fields:
                    fields["battery_power_kw"] = fields["voltage_v"] * fields["current_a"] / 1000.0
        return fields

    def _sign(self, vehicle_id: str, time_ms: int, fields: dict[str, Any], unsigned_a: float) -> int:
        if self._current_sign != "learn":
            return 1 if self._current_sign == "positive_in" else -1
        return learn(
            self._memories.of(vehicle_id).current,
            time_ms,
            current_a=unsigned_a,
            soc_pct=fields.get("soc_pct"),
            charging=fields.get("charging", False),
            standing=fields.get("speed_kmh") == 0.0,
        )

    def _location(self, block: dict[str, Any]) -> dict[str, Any]:
        status = raw(block, "Status", bits=8, high=253)
        latitude = scaled(block, "Latitude", bits=32, high=90_000_000, scale=1e-6)
        longitude = scaled(block, "Longitude", bits=32, high=180_000_000, scale=1e-6)
        system = raw(block, "CoordinateSystem", bits=8, high=253)
        if system is None:
            system = GCJ02 if self._coordinates == "gcj02" else WGS84
        if status is None or status & 1 or latitude is None or longitude is None or system not in {WGS84, GCJ02}:
            return {}
        latitude *= -1.0 if status & 2 else 1.0
        longitude *= -1.0 if status & 4 else 1.0
        if system == GCJ02:
            latitude, longitude = to_wgs84(latitude, longitude)
        return {"latitude_deg": round(latitude, 6), "longitude_deg": round(longitude, 6)}


def _from_frame(payload: bytes) -> tuple[dict[str, Any], bool]:
    """The envelope that a gateway would make of a frame, and whether it is a report in real time. Raises `Rejected`."""
    frame = parse_frame(payload)
    if frame is None:
        raise Rejected("malformed", "this is no frame of GB/T 32960, or its check is wrong")
    if frame.command not in {Command.REPORT, Command.REISSUED}:
        raise Rejected("schema", f"command 0x{frame.command:02X} is no report")
    if frame.encryption != NOT_ENCRYPTED:
        how = ENCRYPTIONS.get(frame.encryption, f"code {frame.encryption}")
        raise Rejected("schema", f"encrypted ({how}): the agent has no key; have the terminal send without encryption")
    time, blocks = time_and_blocks(frame.data, frame.edition)
    envelope = {"Vin": frame.vin, "Encrypt": frame.encryption, "Data": {"Time": time, "Infos": blocks}}
    return envelope, frame.command == Command.REPORT


def _is_report(topic: str) -> bool:
    return f"/{topic}".endswith(REPORTS)


def raw(block: dict[str, Any], key: str, *, bits: int, high: int) -> int | None:
    """A raw integer; None if it is missing, abnormal or invalid. Raises `Rejected` for anything else."""
    value = block.get(key)
    if value is None:
        return None
    if type(value) is not int:
        raise Rejected("schema", f"{key} has to be an integer, not {repr(value)[:60]}")
    if 2**bits - 2 <= value <= 2**bits - 1:
        return None
    if not 0 <= value <= high:
        raise Rejected("out_of_range", f"{key} = {value} is not within 0 to {high}")
    return value


def scaled(block: dict[str, Any], key: str, *, bits: int, high: int, scale: float = 1.0) -> float | None:
    """A raw integer multiplied by its unit, rounded to six decimals."""
    value = raw(block, key, bits=bits, high=high)
    return None if value is None else round(value * scale, 6)


def _put(fields: dict[str, Any], name: str, value: float | None) -> None:
    if value is not None:
        fields[name] = value


def _mean_temperature(values: list[Any]) -> float | None:
    known = [each for each in (raw({"Temp": value}, "Temp", bits=8, high=250) for value in values) if each is not None]
    return sum(known) / len(known) - 40.0 if known else None


def _probes(block: dict[str, Any]) -> dict[str, Any]:
    subsystems = block.get("SubSystems")
    if not isinstance(subsystems, list):
        return {}
    probes = [each.get("ProbesTemp") for each in subsystems if isinstance(each, dict)]
    fields: dict[str, Any] = {}
    _put(
        fields,
        "battery_temp_c",
        _mean_temperature([value for each in probes if isinstance(each, list) for value in each]),
    )
    return fields
