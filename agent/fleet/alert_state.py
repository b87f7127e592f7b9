"""State of one van's alerts, the inputs of a check, and the changes that follow from it."""

from typing import Any, Literal

import msgspec

from agent.fast.attributes import quick_to_set
from agent.fleet.alert_kinds import MESSAGES, SEVERITY, AlertKind
from agent.fleet.places import Names
from agent.fleet.records import AlertRecord, ModeName


class ActiveAlert(msgspec.Struct, array_like=True, gc=False):
    """An alert that has been raised and not cleared."""

    kind: AlertKind
    since_ms: int
    message: str
    value: float | None = None
    place: str | None = None


class Refusals(msgspec.Struct, array_like=True, gc=False):
    """Refused values of one kind.

    `seen` counts all of them, `count` those of the last series, `last_ms` is the time of the last one.
    """

    seen: int = 0
    count: int = 0
    last_ms: int = 0


@quick_to_set
class AlertsState(msgspec.Struct, array_like=True, gc=False, kw_only=True):
    """State of one van's alerts."""

    active: list[ActiveAlert] = []
    state: ModeName = "parked"
    soc_pct: float | None = None
    soc_ms: int = 0
    unplugged_ms: int = 0
    """Since when the van has been standing in its depot without a cable; 0: it has a cable, or is elsewhere."""
    places: Names | None = None
    next_places: Names | None = None
    next_seen: int = 0
    positions: Refusals | None = None
    socs: Refusals | None = None
    record_ms: int = 0
    due_ms: int = 0
    """When the passing of time alone raises or clears an alert; 0: never."""
    silence_reported: bool = False
    """The silence of the van away from its depot has been reported. It is not reported again for short wake-ups."""
    odometers: Refusals | None = None
    powers: Refusals | None = None


class AlertInputs(msgspec.Struct, gc=False, kw_only=True):
    """What the alerts are decided by. `None` is "not known".

    `places` contain the last good position. The refusals count implausible values over the life of the van.
    """

    vehicle_id: str
    time_ms: int
    state: ModeName
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
    """The active alerts as JSON, for a retained message. Empty if there are none: that deletes the message."""
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


class AlertChanges:
    """The changes of one check: made in the state, and kept as records."""

    __slots__ = ("inputs", "records", "state")

    def __init__(self, state: AlertsState, inputs: AlertInputs) -> None:
        self.state = state
        self.inputs = inputs
        self.records: list[AlertRecord] = []

    def find(self, kind: AlertKind, place: str | None = None) -> ActiveAlert | None:
        """The active alert of a kind, and of a place if one is given."""
        for alert in self.state.active:
            if alert.kind == kind and (place is None or alert.place == place):
                return alert
        return None

    def judge(self, kind: AlertKind, value: float | None, *, begins: bool, ends: bool) -> None:
        """Raise an alert that begins and is not active; clear one that is active and ends."""
        if begins or (ends and self.state.active):
            alert = self.find(kind)
            if begins and alert is None:
                self.begin(kind, value)
            elif ends and alert is not None:
                self.end(alert, value)

    def begin(self, kind: AlertKind, value: float | None = None, place: str | None = None) -> None:
        """Raise an alert."""
        message = f"{self.inputs.vehicle_id}: {MESSAGES[kind][0].format(value=value, place=place)}"
        self.state.active.append(
            ActiveAlert(kind=kind, since_ms=self.inputs.time_ms, message=message, value=value, place=place)
        )
        self._record(kind, "raised", value, message)

    def end(self, alert: ActiveAlert, value: float | None = None) -> None:
        """Clear an alert."""
        self.state.active.remove(alert)
        text = MESSAGES[alert.kind][1].format(value=value, place=alert.place)
        self._record(alert.kind, "cleared", value, f"{self.inputs.vehicle_id}: {text}")

    def _record(self, kind: AlertKind, change: Literal["raised", "cleared"], value: float | None, message: str) -> None:
        time_ms = max(self.inputs.time_ms, self.state.record_ms + 1)
        self.state.record_ms = time_ms
        self.records.append(
            AlertRecord(
                vehicle_id=self.inputs.vehicle_id,
                time_ms=time_ms,
                kind=kind,
                severity=SEVERITY[kind],
                state=change,
                value=value,
                message=message,
            )
        )
