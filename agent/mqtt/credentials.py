"""Who we are at the broker: name, password and certificates, read again for each connection."""

import ssl
from pathlib import Path
from typing import NamedTuple

import msgspec

from agent.errors import SettingsError


class Login(NamedTuple):
    """What one connection uses, as its files were when it began."""

    username: str | None = None
    password: bytes | None = None
    tls: ssl.SSLContext | None = None
    """None: an unencrypted connection."""


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Values and names of files. Files may be renewed while the agent runs; `read` takes what they hold now."""

    username: str | None = None
    password: str | None = None
    """Sent as UTF-8; may hold any character."""
    password_file: Path | None = None
    """Holds the password instead of `password`; white space around it is no part of it."""
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def read(self, *, encrypted: bool) -> Login:
        """Read all files; it blocks. Raises SettingsError naming the setting whose file cannot be used."""
        tls = tls_context(self.ca_file, self.cert_file, self.key_file) if encrypted else None
        password = self.password if self.password_file is None else _text(self.password_file)
        return Login(self.username, None if password is None else password.encode(), tls)


def _text(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"mqtt.password_file = {str(file)!r} cannot be read: {error}") from error
    if not text:
        raise SettingsError(f"mqtt.password_file = {str(file)!r} is empty")
    return text


def tls_context(
    ca_file: str | Path | None = None, cert_file: str | Path | None = None, key_file: str | Path | None = None
) -> ssl.SSLContext:
    """A context that checks the broker's certificate and host name, and presents a client certificate if one is set.

    Raises SettingsError naming the setting.
    """
    if ca_file is not None and not Path(ca_file).is_file():
        raise SettingsError(f"mqtt.ca_file = {str(ca_file)!r}: no such file")
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:
        raise SettingsError(f"mqtt.ca_file = {str(ca_file)!r} is not a PEM file of certificates") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert_file is None:
        if key_file is not None:
            raise SettingsError("mqtt.key_file is set, but mqtt.cert_file is not")
        return context
    for name, file in (("cert_file", cert_file), ("key_file", key_file)):
        if file is not None and not Path(file).is_file():
            raise SettingsError(f"mqtt.{name} = {str(file)!r}: no such file")

    def no_prompt() -> str:
        raise SettingsError("mqtt.key_file is encrypted: give a key without a passphrase, readable by the agent only")

    try:
        context.load_cert_chain(cert_file, key_file, password=no_prompt)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"mqtt.cert_file = {str(cert_file)!r} and mqtt.key_file do not hold a certificate and its own key (PEM)"
        ) from error
    return context
