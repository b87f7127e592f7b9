"""What every table of the settings file has in common."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _port_exists(address: str) -> str:
    if int(address.rpartition(":")[2]) > 65_535:
        raise ValueError("the port is above 65535")
    return address


ListenAddress = Annotated[
    str, Field(pattern=r"^(\[[0-9a-fA-F:]+\]|[^:\s\[\]]+):\d{1,5}$"), AfterValidator(_port_exists)
]
"""`host:port` to listen on; an IPv6 address is in brackets."""


class Section(BaseModel):
    """A table of the settings file. An unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def secret_of(value: SecretStr | None, file: Path | None, key: str) -> SecretStr | None:
    """The secret itself, or what its file holds.

    Line breaks at its end are no part of it: a shell or an editor adds them. Raises ValueError when both are set, or
    the file holds nothing.
    """
    if value is not None and file is not None:
        raise ValueError(f"{key} and {key}_file are both set: remove one")
    if file is None:
        return None if value is None else SecretStr(value.get_secret_value().rstrip("\r\n"))
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{key}_file {str(file)!r} cannot be read: {error}") from error
    if not text:
        raise ValueError(f"{key}_file {str(file)!r} is empty")
    return SecretStr(text)
