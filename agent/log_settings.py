"""The `[log]` settings: where acknowledged messages are kept, and what the agent says on stderr."""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, SecretStr, model_validator

from agent.section import Positive, Section, secret_of
from agent.source_settings import MOST_SOURCES, NAME_PATTERN, SourceSettings

JOURNAL_URL: Final = "journal:"
"""The log of one machine. Its own settings are in `[journal]`."""


class LogSettings(Section):
    """The log of messages, and the agent's own messages on stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="lowest level that is logged")
    url: str = Field(
        JOURNAL_URL,
        pattern=r"^(journal:|kafkas?://\S+)$",
        description="`journal:`, or `kafka://HOST:PORT[,HOST:PORT]/TOPIC`; `kafkas://` for TLS",
    )
    username: str | None = Field(None, description="user name at Kafka")
    password: SecretStr | None = Field(None, description="password at Kafka")
    password_file: Path | None = Field(None, description="file that holds the password")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="how to sign in at Kafka"
    )
    ca_file: Path | None = Field(None, description="certificate authority to trust, instead of the system's")
    cert_file: Path | None = Field(None, description="our certificate, if Kafka asks for one")
    key_file: Path | None = Field(None, description="key of `cert_file`")
    partitions: int = Field(8, ge=1, le=1000, description="partitions of topics that are created")
    replication: int = Field(3, ge=1, le=15, description="replicas of topics that are created")
    retention_days: Positive = Field(7.0, description="how long messages stay in a topic that is created")
    instance: str | None = Field(
        None, min_length=1, max_length=64, description="name of this agent among several; empty: the host name"
    )
    sources: dict[Annotated[str, Field(pattern=NAME_PATTERN)], SourceSettings] | None = Field(
        None,
        min_length=1,
        max_length=MOST_SOURCES,
        description="sources by name, each with what differs from `[mqtt]`; empty: one source, `[mqtt]` as it is",
    )

    @model_validator(mode="after")
    def _resolve_password(self) -> "LogSettings":
        object.__setattr__(self, "password", secret_of(self.password, self.password_file, "password"))
        object.__setattr__(self, "password_file", None)
        return self
