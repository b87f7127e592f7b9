"""`vanpulse check-config`: checks whether the agent would start with these settings."""

import argparse
import sys

from agent.commands.live import time_zone
from agent.commands.sample import show_sample
from agent.commands.sources import sources_of
from agent.commands.storage import store_of
from agent.config import Settings, load_fleet
from agent.errors import SettingsError
from agent.factors.year_set import EU_CLASS, UK
from agent.fleet.vehicle import Vehicle
from agent.log_settings import JOURNAL_URL
from agent.mqtt.connect import make_receiver
from agent.mqtt.options import MqttOptions
from agent.shard.opening import roster_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--sample` and its time of arrival."""
    parser.add_argument(
        "--sample",
        nargs=2,
        metavar=("TOPIC", "FILE"),
        help="show what becomes of the message with this topic and the payload in FILE (-: standard input); "
        "exit status 1 if it would be a dead letter",
    )
    parser.add_argument("--at", metavar="T", help="when the message of --sample arrives (default: now)")
    parser.epilog = "Reads the settings and every file that they name. Connects to no server."


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Raise `SettingsError` for the first error, or print a summary and warnings."""
    if arguments.sample is not None:
        topic, file = arguments.sample
        return show_sample(settings, topic, file, arguments.at)
    if arguments.at is not None:
        raise SettingsError("--at needs --sample")
    fleet = load_fleet(settings.fleet)
    roster = roster_of(settings, fleet)
    abroad = [f"van {name!r}: {text}" for name in fleet.vans if (text := _class_abroad(roster.vehicle(name)))]
    if settings.fleet.diesel_class and (text := _class_abroad(roster.vehicle(""))):
        abroad.append(f"vans that are not in the fleet file: {text}")
    for source in sources_of(settings, roster):
        make_receiver(MqttOptions.from_settings(source.mqtt, source.decoder.topic_filters()))
    store_of(settings.store)
    if settings.log.url != JOURNAL_URL:
        from agent.commands.kafka_log import client_of  # the client of Kafka is an extra

        client_of(settings.log)
    time_zone(settings.live.timezone)
    sys.stdout.write(
        f"settings are valid: {settings.mqtt.url} ({', '.join(settings.mqtt.dialects)}) → "
        f"{'' if settings.log.url == JOURNAL_URL else f'{settings.log.url} → '}{settings.store.url}, "
        f"{len(fleet.vans)} vans and {len(fleet.depots)} depots in the fleet file\n"
    )
    for name in settings.dialects.keys() - set(settings.mqtt.dialects):
        sys.stdout.write(f"warning: [dialects.{name}] is not in mqtt.dialects, so it is not used\n")
    for depot, vehicle_id in fleet.depots_without_entry().items():
        sys.stdout.write(f"warning: van {vehicle_id!r} names depot {depot!r}, which has no entry\n")
    sys.stdout.writelines(f"warning: {text}\n" for text in abroad)
    return 0


def _class_abroad(vehicle: Vehicle) -> str | None:
    """The warning for a diesel class of the UK elsewhere, or of the EU in the UK; None if there is none."""
    if vehicle.country in UK:
        odd, origin = vehicle.diesel_class in EU_CLASS.values(), "the EU"
    else:
        odd, origin = vehicle.diesel_class in EU_CLASS, "the UK"
    if not odd:
        return None
    return f"diesel_class {vehicle.diesel_class!r} is a class of {origin}, but the van charges in {vehicle.country}"
