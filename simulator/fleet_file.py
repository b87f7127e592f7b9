"""Writes the fleet file that describes simulated vans to the agent."""

from collections.abc import Iterable

from simulator.depots import Depot
from simulator.fleet import Fleet
from simulator.vin import vin


def fleet_file(fleet: Fleet) -> str:
    """The fleet file (TOML) that describes the vans to the agent."""
    lines = ["# The simulated fleet."]
    used: Iterable[Depot] = {depot.name: depot for depot in fleet.depots}.values()
    for depot in used:
        lines += [
            "",
            f"[depots.{depot.name}]",
            f'country = "{depot.country}"',
            f"latitude_deg = {depot.latitude_deg}",
            f"longitude_deg = {depot.longitude_deg}",
        ]
    vans = zip(fleet.ids, fleet.depots, fleet.models, fleet.vehicles.usable_kwh.tolist(), strict=True)
    for vehicle_id, depot, model, usable_kwh in vans:
        lines += [
            "",
            f"[vans.{vehicle_id}]",
            f'depot = "{depot.name}"',
            f'model = "{model.name}"',
            f'country = "{depot.country}"',
            f"battery_kwh = {usable_kwh:.1f}",
            f"payload_kg = {float(model.payload_kg)}",
            f'diesel_class = "{model.diesel_class}"',
            f'identities = ["{vin(vehicle_id)}"]',
        ]
    return "\n".join(lines) + "\n"
