"""Parts of the agent that are made in the same way for every role."""

import ssl
from collections.abc import Callable
from pathlib import Path

import msgspec

from agent.config import Settings
from agent.dialects.decoder import Decoder
from agent.dialects.identity import resolve_vin
from agent.dialects.timestamps import parse_zone
from agent.errors import Rejected, SettingsError
from agent.gbt32960.listener import Listener, ListenerOptions
from agent.listener_settings import Gbt32960Settings
from agent.messages import Message, MessageKind
from agent.shard.roster import Roster
from agent.throttle import LEAST_BURST, Throttle


def listen_of(settings: Settings) -> tuple[str, int]:
    """Host and port of the health endpoints."""
    return _host_and_port(settings.http.listen)


def listener_of(settings: Settings, roster: Roster) -> Listener | None:
    """The listener for vans that connect themselves; None if it is off. Raises `SettingsError`."""
    listener = settings.gbt32960
    if listener.listen is None:
        return None
    host, port = _host_and_port(listener.listen)
    options = ListenerOptions(
        host,
        port,
        tls=_server_tls(listener),
        username=listener.username,
        password=None if listener.password is None else listener.password.get_secret_value(),
        max_connections=listener.max_connections,
        utc_offset_minutes=parse_zone(settings.mqtt.gbt32960_utc_offset),
    )

    def refusal_of(vin: str) -> str | None:
        try:
            vehicle_id = resolve_vin(roster.identities, vin)
        except Rejected as rejected:
            return rejected.detail
        if roster.max_unnamed or roster.names(vehicle_id):
            return None
        return f"{vin!r} is not in the fleet file"

    return Listener(options, refusal_of=refusal_of)


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _server_tls(settings: Gbt32960Settings) -> ssl.SSLContext | None:
    if settings.cert_file is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    except OSError as error:  # `SSLError` is one
        raise SettingsError(f"gbt32960.cert_file, key_file: {error}") from error
    if settings.ca_file is not None:
        try:
            context.load_verify_locations(settings.ca_file)
        except OSError as error:
            raise SettingsError(f"gbt32960.ca_file: {error}") from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def subscriptions_file_of(settings: Settings) -> Path:
    """Where the subscriptions at the broker are noted: beside the journal, also for an agent whose log is on Kafka."""
    return settings.journal.path.with_name(f"{settings.journal.path.name}-subscriptions")


class _Corrected(msgspec.Struct):
    """What is read of a correction."""

    vehicle_id: str


def identify_of(decoder: Decoder) -> Callable[[Message], str | None]:
    """Gives the van of a message, or its sender; by this the partition of the message is found."""

    def identify(message: Message) -> str | None:
        if message.kind == MessageKind.CORRECTION:
            return msgspec.json.decode(message.payload, type=_Corrected).vehicle_id
        return decoder.identify(message) or decoder.sender(message.topic)

    return identify


def throttle_of(settings: Settings, decoder: Decoder) -> Throttle:
    """The limit of each van's rate."""
    return Throttle(
        decoder.sender,
        rate_per_s=settings.fleet.messages_per_s,
        # As many readings as a van can buffer, at one each second, before they are too old.
        burst=max(LEAST_BURST, round(settings.fleet.max_age_s)),
    )
