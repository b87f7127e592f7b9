"""`vanpulse check-config`: whether the daemon would start with these settings."""

import argparse
import sys

from agent.commands.components import receiver_of
from agent.commands.live import time_zone
from agent.commands.storage import store_of
from agent.config import Settings, load_fleet
from agent.factors.year_set import EU_CLASS, UK
from agent.fleet.vehicle import Vehicle
from agent.shard.opening import decoder_of, roster_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing beyond `--config`."""
    parser.epilog = "Reads the settings and every file they name; connects to nothing."


def run(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Raise `SettingsError` for the first thing wrong; print what was found otherwise."""
    fleet = load_fleet(settings.fleet)
    roster = roster_of(settings, fleet)
    abroad = [f"van {name!r}: {text}" for name in fleet.vans if (text := _class_abroad(roster.vehicle(name)))]
    if settings.fleet.diesel_class and (text := _class_abroad(roster.vehicle(""))):
        abroad.append(f"vans that the fleet file does not name: {text}")
    receiver_of(settings, decoder_of(settings, roster))
    store_of(settings.store)
    time_zone(settings.live.timezone)
    sys.stdout.write(
        f"settings are fine: {settings.mqtt.url} ({', '.join(settings.mqtt.dialects)}) → {settings.store.url}, "
        f"{len(fleet.vans)} vans and {len(fleet.depots)} depots in the fleet file\n"
    )
    for depot, vehicle_id in fleet.depots_without_entry().items():
        sys.stdout.write(f"but: van {vehicle_id!r} is of depot {depot!r}, which has no entry\n")
    sys.stdout.writelines(f"but: {text}\n" for text in abroad)
    return 0


def _class_abroad(vehicle: Vehicle) -> str | None:
    """What is odd about a diesel class of the UK elsewhere, or of the EU in the UK."""
    if vehicle.country in UK:
        odd, origin = vehicle.diesel_class in EU_CLASS.values(), "the EU"
    else:
        odd, origin = vehicle.diesel_class in EU_CLASS, "the UK"
    if not odd:
        return None
    return f"diesel_class {vehicle.diesel_class!r} is of {origin}, and it charges in {vehicle.country}"
