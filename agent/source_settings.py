"""The `[log.sources.NAME]` settings: what a source of messages has of its own, instead of what `[mqtt]` says."""

from pydantic import Field, field_validator

from agent.section import Section

NAME_PATTERN = r"^[A-Za-z0-9_-]{1,32}$"
MOST_SOURCES = 64


def checked_prefix(prefix: str) -> str:
    """The prefix as it is. Raises ValueError for one under which no van publishes."""
    if prefix.startswith("$share/"):
        raise ValueError(
            "a shared subscription would divide the readings of one van among several sessions, whose order no broker "
            "keeps when a session comes or goes: give each agent topics of its own (see [log.sources] in docs/scale.md)"
        )
    if prefix.startswith("$"):
        raise ValueError("a prefix does not begin with $: such topics belong to the broker, and no van can use them")
    if any(level != level.strip() or not level.isprintable() for level in prefix.split("/")):
        raise ValueError("no level of a prefix begins or ends with a space or holds a control character")
    return prefix


class SourceSettings(Section):
    """One MQTT session with topics of its own. What is not set here is as in `[mqtt]`."""

    url: str | None = Field(None, description="broker address, instead of `mqtt.url`")
    prefix: str | None = Field(None, pattern=r"^[^+#/\x00]+(/[^+#/\x00]+)*$", description="first part of native topics")
    dialects: tuple[str, ...] | None = Field(None, min_length=1, description="payload formats of the vans")

    @field_validator("prefix")
    @classmethod
    def _prefix_can_be_published_to(cls, prefix: str | None) -> str | None:
        return None if prefix is None else checked_prefix(prefix)
