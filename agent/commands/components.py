"""Roster, decoder and receiver, made from the settings: what `run`, `check-config` and `doctor` need alike.

The functions raise `SettingsError` where a setting cannot be used. None of them connects to a server.
"""

from agent.config import FleetFile, Settings, load_fleet
from agent.dialects.decoder import Decoder, make_dialects
from agent.mqtt.base import Receiver
from agent.mqtt.connect import make_receiver
from agent.mqtt.options import MqttOptions
from agent.shard.roster import Roster


def roster_of(settings: Settings, fleet: FleetFile | None = None) -> Roster:
    """What holds for each van, from the settings and the fleet file, which is read if it is not given."""
    return Roster(
        load_fleet(settings.fleet) if fleet is None else fleet,
        fleet_settings=settings.fleet,
        emissions=settings.emissions,
        derived_every_s=settings.store.derived_every_s,
    )


def decoder_of(settings: Settings, roster: Roster) -> Decoder:
    """The decoder of the dialects in `mqtt.dialects`, with the identities of the fleet file."""
    mqtt, fleet = settings.mqtt, settings.fleet
    dialects = make_dialects(
        mqtt.dialects,
        prefix=mqtt.prefix,
        identities=roster.identities,
        max_age_ms=round(fleet.max_age_s * 1000),
        max_ahead_ms=round(fleet.max_ahead_s * 1000),
        gbt32960_utc_offset=mqtt.gbt32960_utc_offset,
        gbt32960_coordinates=mqtt.gbt32960_coordinates,
        gbt32960_current_sign=mqtt.gbt32960_current_sign,
        ovms_counters=mqtt.ovms_counters,
    )
    return Decoder(dialects)


def receiver_of(settings: Settings, decoder: Decoder, *, session_expected: bool = False) -> Receiver:
    """The receiver of all topics that the dialects subscribe to."""
    options = MqttOptions.from_settings(settings.mqtt, decoder.topic_filters())
    return make_receiver(options, session_expected=session_expected)
