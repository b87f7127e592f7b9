"""`vanpulse check-config`: whether the daemon would start with these settings."""

import argparse
import sys

from agent.commands.live import time_zone
from agent.commands.run import make_decoder, make_subscriber
from agent.config import Settings, load_fleet
from agent.roster import Roster
from agent.stores import make_store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing beyond `--config`."""
    parser.epilog = "Reads the settings and every file they name; connects to nothing."


def run(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Raise `SettingsError` for the first thing wrong; print what was found otherwise."""
    fleet = load_fleet(settings.fleet)
    roster = Roster(
        fleet,
        fleet_settings=settings.fleet,
        emissions=settings.emissions,
        derived_every_s=settings.store.derived_every_s,
    )
    for vehicle_id in fleet.vans:
        roster.vehicle(vehicle_id)
    make_subscriber(settings, make_decoder(settings, roster))
    make_store(settings.store.url, batch_points=settings.store.batch_points)
    time_zone(settings.live.timezone)
    sys.stdout.write(
        f"settings are fine: {settings.mqtt.url} ({', '.join(settings.mqtt.dialects)}) → {settings.store.url}, "
        f"{len(fleet.vans)} vans and {len(fleet.depots)} depots in the fleet file\n"
    )
    for depot, vehicle_id in fleet.depots_without_entry().items():
        sys.stdout.write(f"but: van {vehicle_id!r} is of depot {depot!r}, which has no entry\n")
    return 0
