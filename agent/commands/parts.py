"""Parts of the agent that are made in the same way for every role."""

from agent.config import Settings
from agent.dialects.decoder import Decoder
from agent.throttle import LEAST_BURST, Throttle


def listen_of(settings: Settings) -> tuple[str, int]:
    """Host and port of the health endpoints."""
    host, _, port = settings.http.listen.rpartition(":")
    return host.strip("[]"), int(port)


def throttle_of(settings: Settings, decoder: Decoder) -> Throttle:
    """The limit of each van's rate."""
    return Throttle(
        decoder.sender,
        rate_per_s=settings.fleet.messages_per_s,
        # As many readings as a van can buffer, at one each second, before they are too old.
        burst=max(LEAST_BURST, round(settings.fleet.max_age_s)),
    )
