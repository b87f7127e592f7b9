"""`vanpulse live`: serves the live page."""

import argparse
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.config import Settings, load_fleet
from agent.errors import SettingsError
from agent.interrupts import interruptible


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The address to listen on."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=port, default=8080, help="port to listen on (default: %(default)s)")


def port(text: str) -> int:
    """A TCP port; 0 means any free port."""
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port. Use a number from 0 to 65535.")
    return int(text)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Serve until a signal. Raises `SettingsError` if the address or a setting cannot be used."""
    with interruptible():
        # The web framework takes a second to import. Other commands import this module too.
        from agent.commands.storage import history_of
        from dashboards.live.server import LivePage, serve

    password = settings.live.password.get_secret_value() if settings.live.password else None
    serve(
        LivePage(
            open_history=lambda: history_of(settings.store),
            host=arguments.host,
            port=arguments.port,
            password=password,
            tiles_url=settings.live.tiles_url,
            zone=time_zone(settings.live.timezone),
            agent_listen=settings.http.listen,
            depots=[
                (name, depot.latitude_deg, depot.longitude_deg)
                for name, depot in load_fleet(settings.fleet).depots.items()
                if depot.latitude_deg is not None and depot.longitude_deg is not None
            ],
        )
    )
    return 0


def time_zone(name: str) -> ZoneInfo:
    """The time zone of all times shown. Raises `SettingsError`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(f"live.timezone = {name!r}: not a time zone. Use a name such as Europe/Berlin.") from error
