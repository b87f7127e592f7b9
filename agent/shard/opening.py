"""How a shard is made: from the settings of the agent, or with a few arguments by a program that embeds it."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from agent.config import FleetFile, MqttSettings, Settings, first_error, load_fleet
from agent.dialects.decoder import Decoder, make_dialects
from agent.errors import SettingsError
from agent.shard.roster import Roster
from agent.shard.shard import Shard


def open_shard(*, dialects: Sequence[str] = ("native",), fleet: Mapping[str, Any] | None = None) -> Shard:
    """A new shard with the default settings. It reads no file, no environment and no clock.

    `dialects` are names as in `mqtt.dialects`. `fleet` is the content of a fleet file: a mapping with `vans`, `depots`
    and `contracts`; without it every van is accepted and has the default figures. Raises `SettingsError`.
    """
    try:
        described = FleetFile.model_validate(fleet or {})
        mqtt = MqttSettings.model_validate({"dialects": tuple(dialects)})
    except ValidationError as error:
        raise SettingsError(first_error(error)) from error
    # Validation of `Settings` would read the environment.
    settings = Settings.model_construct(mqtt=mqtt)
    roster = roster_of(settings, described)
    return Shard(decoder_of(settings, roster), roster)


def roster_of(settings: Settings, fleet: FleetFile | None = None) -> Roster:
    """What holds for each van, from the settings and the fleet file, which is read if it is not given.

    Raises `SettingsError`.
    """
    return Roster(
        load_fleet(settings.fleet) if fleet is None else fleet,
        fleet_settings=settings.fleet,
        emissions=settings.emissions,
        derived_every_s=settings.store.derived_every_s,
    )


def decoder_of(settings: Settings, roster: Roster) -> Decoder:
    """The decoder of the dialects in `mqtt.dialects`, with the identities of the fleet file. Raises `SettingsError`."""
    mqtt, fleet = settings.mqtt, settings.fleet
    subscribed = "gbt32960" in mqtt.dialects
    listened = () if subscribed or settings.gbt32960.listen is None else ("gbt32960",)
    dialects = make_dialects(
        (*mqtt.dialects, *listened),
        prefix=mqtt.prefix,
        identities=roster.identities,
        max_age_ms=round(fleet.max_age_s * 1000),
        max_ahead_ms=round(fleet.max_ahead_s * 1000),
        gbt32960_subscribed=subscribed,
        gbt32960_utc_offset=mqtt.gbt32960_utc_offset,
        gbt32960_coordinates=mqtt.gbt32960_coordinates,
        gbt32960_current_sign=mqtt.gbt32960_current_sign,
        ovms_counters=mqtt.ovms_counters,
        mappings=settings.dialects,
    )
    return Decoder(dialects)
