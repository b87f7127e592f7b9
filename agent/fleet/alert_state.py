"""What is remembered of one van's alerts, and the log of their changes."""

from typing import Any, Literal

import msgspec

from agent.fast.attributes import quick_to_set
from agent.fleet.alert_kinds import MESSAGES, SEVERITY, Kind
from agent.fleet.places import Names
from agent.fleet.records import AlertRecord, State


class Active(msgspec.Struct, array_like=True, gc=False):
    """An alert that has been raised and not cleared."""

    kind: Kind
    since_ms: int
    message: str
    value: float | None = None
    place: str | None = None


class Strikes(msgspec.Struct, array_like=True, gc=False):
    """Refused values: how many the van has had in all, and how many of them lately."""

    seen: int = 0
    count: int = 0
    last_ms: int = 0


@quick_to_set
class AlertsState(msgspec.Struct, array_like=True, gc=False, kw_only=True):
    """What is remembered of one van's alerts."""

    active: list[Active] = []
    state: State = "parked"
    soc_pct: float | None = None
    soc_ms: int = 0
    unplugged_ms: int = 0
    """Since when it has been standing in its depot without a cable; 0: it is not."""
    places: Names | None = None
    next_places: Names | None = None
    next_looks: int = 0
    positions: Strikes | None = None
    socs: Strikes | None = None
    record_ms: int = 0
    due_ms: int = 0
    """When the passing of time alone raises or clears something, so that a look is worth it; 0: never."""
    said_silent: bool = False
    """Its silence away from its depot has been reported; a van that only wakes up now and then there says no news."""
    odometers: Strikes | None = None
    powers: Strikes | None = None


class Look(msgspec.Struct, gc=False, kw_only=True):
    """Where a van stands. `None` is "not known".

    `places` are those of its last good position. The refusals count, over the van's life, the values that were too
    strange to be true.
    """

    vehicle_id: str
    time_ms: int
    state: State
    depot: str
    soc_pct: float | None = None
    soc_time_ms: int = 0
    """When the state of charge was read; 0: now."""
    battery_temp_c: float | None = None
    plugged_in: bool | None = None
    range_km: float | None = None
    home_km: float | None = None
    places: Names | None = None
    position_refusals: int = 0
    soc_refusals: int = 0
    odometer_refusals: int = 0
    power_refusals: int = 0


def active_payload(vehicle_id: str, state: AlertsState) -> bytes:
    """The alerts in force as JSON, for a retained message; empty when there are none, which deletes it."""
    if not state.active:
        return b""
    alerts: list[dict[str, Any]] = []
    for alert in state.active:
        entry: dict[str, Any] = {
            "kind": alert.kind,
            "severity": SEVERITY[alert.kind],
            "since_ms": alert.since_ms,
            "message": alert.message,
        }
        if alert.value is not None:
            entry["value"] = alert.value
        if alert.place is not None:
            entry["place"] = alert.place
        alerts.append(entry)
    return msgspec.json.encode({"vehicle_id": vehicle_id, "time_ms": state.record_ms, "alerts": alerts})


class Log:
    """Changes of one update, entered into the state and kept as records."""

    __slots__ = ("look", "records", "state")

    def __init__(self, state: AlertsState, look: Look) -> None:
        self.state = state
        self.look = look
        self.records: list[AlertRecord] = []

    def find(self, kind: Kind, place: str | None = None) -> Active | None:
        """The alert of this kind that is in force, of this place if one is given."""
        for alert in self.state.active:
            if alert.kind == kind and (place is None or alert.place == place):
                return alert
        return None

    def judge(self, kind: Kind, value: float | None, *, begins: bool, ends: bool) -> None:
        """Raise it if it begins and is not there yet; clear it if it is there and ends."""
        if begins or (ends and self.state.active):
            alert = self.find(kind)
            if begins and alert is None:
                self.begin(kind, value)
            elif ends and alert is not None:
                self.end(alert, value)

    def begin(self, kind: Kind, value: float | None = None, place: str | None = None) -> None:
        """Raise it."""
        message = f"{self.look.vehicle_id}: {MESSAGES[kind][0].format(value=value, place=place)}"
        self.state.active.append(
            Active(kind=kind, since_ms=self.look.time_ms, message=message, value=value, place=place)
        )
        self._record(kind, "raised", value, message)

    def end(self, alert: Active, value: float | None = None) -> None:
        """Clear it."""
        self.state.active.remove(alert)
        text = MESSAGES[alert.kind][1].format(value=value, place=alert.place)
        self._record(alert.kind, "cleared", value, f"{self.look.vehicle_id}: {text}")

    def _record(self, kind: Kind, change: Literal["raised", "cleared"], value: float | None, message: str) -> None:
        time_ms = max(self.look.time_ms, self.state.record_ms + 1)
        self.state.record_ms = time_ms
        self.records.append(
            AlertRecord(
                vehicle_id=self.look.vehicle_id,
                time_ms=time_ms,
                kind=kind,
                severity=SEVERITY[kind],
                state=change,
                value=value,
                message=message,
            )
        )
