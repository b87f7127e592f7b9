"""The alerts of a van are checked by what is known of it."""

from agent.fleet.alert_state import AlertInputs
from agent.fleet.alerts import raise_and_clear
from agent.fleet.context import Context
from agent.fleet.modes import STATES
from agent.fleet.records import Record
from agent.fleet.state import VanState


def update_alerts(state: VanState, time_ms: int, context: Context) -> list[Record]:
    """Raise and clear the alerts that are due at `time_ms`."""
    position, battery, places = state.position, state.soc, context.places
    latitude, longitude = position.latitude_deg, position.longitude_deg
    names = home_km = None
    if places is not None and latitude is not None and longitude is not None:
        names = places.around(latitude, longitude)
        home_km = places.home_km(context.vehicle.depot, latitude, longitude)
    return list(
        raise_and_clear(
            state.alerts,
            context.alert_limits,
            AlertInputs(
                vehicle_id=state.vehicle_id,
                time_ms=time_ms,
                state=STATES[state.motion.mode],
                depot=context.vehicle.depot,
                soc_pct=battery.soc_pct,
                soc_time_ms=battery.time_ms,
                battery_temp_c=battery.battery_temp_c,
                plugged_in=battery.plugged_in,
                range_km=state.consumption.range_km,
                home_km=home_km,
                places=names,
                position_refusals=position.rejected + position.speed_rejected,
                soc_refusals=state.rejected_soc,
                odometer_refusals=position.odometer_rejected,
                power_refusals=battery.power_rejected,
            ),
            places,
        )
    )
