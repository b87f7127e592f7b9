"""The `[gbt32960]` settings: a listener for vans that connect to the agent itself."""

from pathlib import Path

from pydantic import Field, SecretStr, model_validator

from agent.section import ListenAddress, Section, secret_of

USERNAME_BYTES = 12
PASSWORD_BYTES = 20
"""The login of a platform has room for so many bytes."""


class Gbt32960Settings(Section):
    """The listener for GB/T 32960 over TCP; off unless `listen` is set."""

    listen: ListenAddress | None = Field(None, description="host:port for vans that connect themselves; empty: off")
    cert_file: Path | None = Field(None, description="our certificate: TLS is required then")
    key_file: Path | None = Field(None, description="key of `cert_file`")
    ca_file: Path | None = Field(None, description="a van has to show a certificate of this authority")
    username: str | None = Field(
        None,
        min_length=1,
        description="name that a platform signs in with, for all of its vans; empty: no platform may",
    )
    password: SecretStr | None = Field(None, description="password of the platform")
    password_file: Path | None = Field(None, description="file that holds the password")
    max_connections: int = Field(10_000, ge=1, le=1_000_000, description="most connections at once")

    @model_validator(mode="after")
    def _go_together(self) -> "Gbt32960Settings":
        object.__setattr__(self, "password", secret_of(self.password, self.password_file, "password"))
        object.__setattr__(self, "password_file", None)
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together: set both")
        if self.ca_file is not None and self.cert_file is None:
            raise ValueError("ca_file needs cert_file: certificates are asked for in TLS only")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together: set both")
        if self.username is not None and len(self.username.encode()) > USERNAME_BYTES:
            raise ValueError(f"username: the protocol has room for {USERNAME_BYTES} bytes")
        if self.password is not None and len(self.password.get_secret_value().encode()) > PASSWORD_BYTES:
            raise ValueError(f"password: the protocol has room for {PASSWORD_BYTES} bytes")
        return self
