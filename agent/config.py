"""Every setting with its default and its check; and the fleet file.

Settings come from `vanpulse.toml`. Environment variables `VANPULSE_<SECTION>__<KEY>` override it. A secret may also be
in a file that `<key>_file` names. All settings are read once, at the start. Components get the section that they need.
"""

import json
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError as SourceError

from agent.dialects.mapping.settings import MappingSettings
from agent.dialects.presets import check_names, with_presets
from agent.errors import SettingsError
from agent.listener_settings import Gbt32960Settings
from agent.log_settings import LogSettings
from agent.readings import VEHICLE_ID_PATTERN
from agent.section import ListenAddress, Positive, Section, secret_of
from agent.source_settings import SourceSettings, checked_prefix

DEFAULT_FILE = Path("vanpulse.toml")
ENV_PREFIX = "VANPULSE_"


class MqttSettings(Section):
    """The broker, our session there, and the dialects."""

    url: str = Field(
        "mqtt://127.0.0.1:1883",
        description="broker address; `mqtts://` for TLS, `ws://`, `wss://` for WebSocket; several with commas between",
    )
    protocol: Literal["5", "3.1.1"] = Field("5", description="MQTT version")
    client_id: str = Field(
        "vanpulse", min_length=1, max_length=128, description="constant, so that the session is kept"
    )
    username: str | None = Field(None, description="user name at the broker")
    password: SecretStr | None = Field(None, description="password at the broker")
    password_file: Path | None = Field(None, description="file that holds the password")
    ca_file: Path | None = Field(None, description="certificate authority instead of the system's")
    cert_file: Path | None = Field(None, description="our certificate, if the broker asks for one")
    key_file: Path | None = Field(None, description="key of `cert_file`")
    prefix: str = Field("vans", pattern=r"^[^+#/\x00]+(/[^+#/\x00]+)*$", description="first part of native topics")
    dialects: tuple[str, ...] = Field(("native",), min_length=1, description="payload formats of the vans")
    gbt32960_utc_offset: str = Field(
        "+08:00", pattern=r"^[+-](0\d|1[0-4]):[0-5]\d$", description="clocks of GB/T 32960 vans"
    )
    gbt32960_coordinates: Literal["wgs84", "gcj02"] = Field(
        "wgs84", description="coordinates of GB/T 32960 vans that do not state them"
    )
    gbt32960_current_sign: Literal["learn", "positive_in", "positive_out"] = Field(
        "learn", description="sign of the current of GB/T 32960 vans"
    )
    ovms_counters: bool = Field(default=False, description="use OVMS lifetime energy counters")
    receive_maximum: int = Field(2000, ge=1, le=65_535, description="unacknowledged messages that the broker may send")
    session_expiry_s: int = Field(604_800, ge=0, le=0xFFFF_FFFF, description="how long the broker keeps our session")
    keepalive_s: int = Field(30, ge=5, le=65_535, description="longest time without a packet")
    max_packet_bytes: int = Field(65_536, ge=256, le=16_777_216, description="a larger message is `oversize`")

    @model_validator(mode="after")
    def _resolve_password(self) -> "MqttSettings":
        object.__setattr__(self, "password", secret_of(self.password, self.password_file, "password"))
        return self  # the file is read again at every connection

    @field_validator("prefix")
    @classmethod
    def _prefix_can_be_published_to(cls, prefix: str) -> str:
        return checked_prefix(prefix)


class JournalSettings(Section):
    """The journal, which keeps acknowledged messages until their points are in the store."""

    path: Path = Field(Path("data/journal.db"), description="the journal's file, on a real disk, never on tmpfs")
    max_bytes: int = Field(1_073_741_824, ge=1_048_576, description="largest size of the journal")
    when_full: Literal["pause", "drop_oldest"] = Field(
        "pause", description="stop receiving, or drop the oldest messages"
    )
    dead_letter_bytes: int = Field(67_108_864, ge=65_536, description="largest size of all dead letters")
    checkpoint_every_s: Positive = Field(30.0, description="time between checkpoints")

    @field_validator("path")
    @classmethod
    def _path_is_no_directory(cls, path: Path) -> Path:
        if os.path.isdir(path):  # noqa: PTH112  # pathlib's raises where it may not look
            raise ValueError("this is a directory; name a file in it")
        return path


class StoreSettings(Section):
    """The store of the points."""

    url: str = Field(
        "sqlite:///data/history.db", description="`sqlite:///PATH` or `influxdb://HOST:PORT?org=O&bucket=B`"
    )
    token: SecretStr | None = Field(None, description="InfluxDB token (1.x: `user:password`)")
    token_file: Path | None = Field(None, description="file that holds the token")
    batch_points: int = Field(10_000, ge=1, le=100_000, description="most points in one request")
    flush_ms: int = Field(300, ge=10, le=60_000, description="longest time that points wait for a write")
    derived_every_s: Positive = Field(10.0, description="least time between `energy` points of a van")
    durable_after_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        0.0, description="how long the store keeps confirmed points only in memory: 60 for VictoriaMetrics, else 0"
    )
    keep_days: Annotated[int, Field(ge=1)] | None = Field(None, description="SQLite: delete raw points older than this")
    hot_days: Annotated[int, Field(ge=0)] = Field(3, description="SQLite: compress days older than this")

    @model_validator(mode="after")
    def _resolve_token(self) -> "StoreSettings":
        token = secret_of(self.token, self.token_file, "token")
        if token is not None and not token.get_secret_value().isprintable():
            raise ValueError("token holds a line break or another control character")
        object.__setattr__(self, "token", token)
        object.__setattr__(self, "token_file", None)
        return self


class FleetSettings(Section):
    """The vans, and the defaults for those without an entry in the fleet file."""

    file: Path = Field(Path("fleet.toml"), description="vans and depots; the default may be missing")
    unknown_vehicles: Literal["accept", "reject"] = Field("accept", description="vans that the fleet file lacks")
    max_unknown_vehicles: int = Field(100_000, ge=0, description="most such vans")
    battery_kwh: Positive | None = Field(None, description="usable energy of a full battery; empty: by `model`")
    payload_kg: Positive | None = Field(None, description="largest load; empty: by `model`")
    default_load_kg: Positive | None = Field(
        None, description="load at departure if the van does not report it; empty: unknown"
    )
    depot: str = Field("none", min_length=1, max_length=64, description="depot of a van without one in the fleet file")
    model: str = Field("van", min_length=1, max_length=64, description="van model; `van` is any van of 3.5 t, 83 kWh")
    country: str = Field("EU", pattern=r"^[A-Z]{2}$", description="charging country: ISO 3166 alpha-2, or EU")
    diesel_class: str | None = Field(None, description="diesel van that it replaces; empty: by `model`")
    geofences: Path | None = Field(None, description="GeoJSON file of depots, customers and zones")
    timezone: str = Field("UTC", min_length=1, description="time zone of `day` points: zone name or offset")
    energy_price_per_kwh: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        None, description="price of grid energy in any currency"
    )
    max_age_s: Positive = Field(604_800.0, description="an older reading is `too_old`")
    max_ahead_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        300.0, description="a reading that is further ahead is `in_future`"
    )
    messages_per_s: Positive = Field(50.0, description="messages of a van beyond this rate are refused")


class EmissionsSettings(Section):
    """The factors by which emissions are computed from energy."""

    factor_set: str = Field(
        "default", min_length=1, description="`default` (by year of activity), the name of a factor set, or a path"
    )
    intensity_file: Path | None = Field(None, description="hourly grid intensities; empty: annual factors")
    zones: tuple[str, ...] | None = Field(
        None, description='which zone to use if a country has several in the intensity file, as in `["DK-DK1"]`'
    )
    charging_efficiency_ac: Annotated[float, Field(gt=0.5, le=1)] | None = Field(
        None, description="AC charging: battery energy over grid energy; empty: by power"
    )
    charging_efficiency_dc: Annotated[float, Field(gt=0.5, le=1)] | None = Field(
        None, description="DC charging: battery energy over grid energy; empty: by factor set"
    )
    market_g_per_kwh: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        None, description="factor of the depots' contract; for several contracts see `[contracts]` in the fleet file"
    )


class HttpSettings(Section):
    """The HTTP endpoints for health and metrics."""

    listen: ListenAddress = Field("127.0.0.1:8081", description="host:port")


class LiveSettings(Section):
    """The live page."""

    tiles_url: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="map tile server, `https://…/{z}/{x}/{y}.png`; empty: no tiles",
    )
    password: SecretStr | None = Field(None, description="required on a network address")
    password_file: Path | None = Field(None, description="file that holds the password")
    timezone: str = Field("UTC", description="time zone of all times shown")

    @model_validator(mode="after")
    def _resolve_password(self) -> "LiveSettings":
        object.__setattr__(self, "password", secret_of(self.password, self.password_file, "password"))
        object.__setattr__(self, "password_file", None)
        return self


class Settings(BaseSettings):
    """All settings, as `load` reads them."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
    )

    mqtt: MqttSettings = MqttSettings()
    journal: JournalSettings = JournalSettings()
    store: StoreSettings = StoreSettings()
    fleet: FleetSettings = FleetSettings()
    emissions: EmissionsSettings = EmissionsSettings()
    http: HttpSettings = HttpSettings()
    live: LiveSettings = LiveSettings()
    log: LogSettings = LogSettings()
    gbt32960: Gbt32960Settings = Gbt32960Settings()
    dialects: dict[Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")], MappingSettings] = Field(
        default_factory=dict, description="mappings: payload formats of one's own"
    )

    @field_validator("dialects", mode="before")
    @classmethod
    def _start_from_presets(cls, tables: Any) -> Any:
        return with_presets(tables)

    @model_validator(mode="after")
    def _dialects_are_known(self) -> "Settings":
        check_names(self.mqtt.dialects, self.dialects)
        return self

    def of_source(self, source: SourceSettings | None, name: str) -> MqttSettings:
        """The `[mqtt]` settings of a source of this name; None: of the only source, which has `[mqtt]` as it is."""
        if source is None:
            return self.mqtt
        changed = {key: value for key, value in source.model_dump().items() if value is not None}
        return self.mqtt.model_copy(update=changed | {"client_id": f"{self.mqtt.client_id}-{name}"})

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first, then the file; no other source."""
        return EnvSettingsSource(settings_cls), TomlConfigSettingsSource(settings_cls)


def load(file: Path | None = None) -> Settings:
    """Read and check all settings. Raises `SettingsError` with the key, its value and what is accepted."""
    if file is None and DEFAULT_FILE.exists():
        file = DEFAULT_FILE
    if file is not None and not file.is_file():
        raise SettingsError(f"settings file {str(file)!r} does not exist")
    _refuse_unknown_variables()

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    try:
        return FromFile()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings file {str(file)!r} is not valid TOML: {error}") from error
    except OSError as error:
        raise SettingsError(f"settings file {str(file)!r} cannot be read: {error}") from error
    except SourceError as error:
        raise SettingsError(_not_json() or str(error)) from error
    except ValidationError as error:
        raise SettingsError(first_error(error)) from error


def first_error(error: ValidationError) -> str:
    """The first error, as "key = value: what is accepted"."""
    detail = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"unknown setting {key!r}"
    message = detail["msg"].removeprefix("Value error, ")
    # An address may hold a password although it must not.
    secret = any(part in key for part in ("password", "token")) or "@" in str(detail["input"])
    shown = "" if secret or isinstance(detail["input"], dict) else f" = {detail['input']!r}"
    return f"{key}{shown}: {message}" if key else message


def _refuse_unknown_variables() -> None:
    sections = {name.upper() for name in Settings.model_fields}
    for variable in sorted(os.environ):
        if variable.startswith(ENV_PREFIX):
            section, separator, _ = variable.removeprefix(ENV_PREFIX).partition("__")
            if section.upper() not in sections or not separator:
                raise SettingsError(
                    f"unknown setting {variable!r} in the environment: the form is {ENV_PREFIX}<SECTION>__<KEY>"
                )


def _not_json() -> str | None:
    """The error text for a list in the environment that is not JSON; None if there is none."""
    for section_name, section in Settings.model_fields.items():
        for key, field in getattr(section.annotation, "model_fields", {}).items():
            variable = f"{ENV_PREFIX}{section_name}__{key}".upper()
            if get_origin(field.annotation) is tuple and variable in os.environ:
                try:
                    json.loads(os.environ[variable])
                except ValueError:
                    return f'{variable} = {os.environ[variable]!r}: write a list as JSON, such as ["native"]'
    return None


class DepotEntry(Section):
    """A depot in the fleet file."""

    country: str | None = Field(None, pattern=r"^[A-Z]{2}$")
    latitude_deg: Annotated[float, Field(ge=-90, le=90)] | None = None
    longitude_deg: Annotated[float, Field(ge=-180, le=180)] | None = None


class ContractEntry(Section):
    """An electricity contract in the fleet file: the market-based factor for charging at its places."""

    at: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)
    """Names of depots and places, kinds of places (`depot`, `home`, …), or `public` for all other places."""
    g_per_kwh: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """The factor that the contract states, in g CO2e per kWh at the meter."""
    coverage: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the energy that the contract covers."""


class VanEntry(Section):
    """A van in the fleet file. Missing values come from its depot, then its model, then the `fleet` settings."""

    depot: str | None = Field(None, min_length=1, max_length=64)
    model: str | None = Field(None, min_length=1, max_length=64)
    country: str | None = Field(None, pattern=r"^[A-Z]{2}$")
    battery_kwh: Positive | None = None
    payload_kg: Positive | None = None
    default_load_kg: Positive | None = None
    diesel_class: str | None = None
    identities: tuple[str, ...] = ()
    """Other ids of the van, such as its VIN or the id of a telematics module."""


class FleetFile(Section):
    """`fleet.toml`: `[depots.NAME]`, `[contracts.NAME]` and `[vans.ID]`."""

    depots: dict[str, DepotEntry] = Field(default_factory=dict)
    contracts: dict[Annotated[str, Field(min_length=1, max_length=64)], ContractEntry] = Field(default_factory=dict)
    vans: dict[Annotated[str, Field(pattern=VEHICLE_ID_PATTERN)], VanEntry] = Field(default_factory=dict)

    @field_validator("contracts")
    @classmethod
    def _one_contract_at_a_place(cls, contracts: dict[str, ContractEntry]) -> dict[str, ContractEntry]:
        holder: dict[str, str] = {}
        for name, contract in contracts.items():
            for place in contract.at:
                if holder.setdefault(place, name) != name:
                    raise ValueError(f"the contracts {holder[place]!r} and {name!r} both apply at {place!r}: keep one")
        return contracts

    @field_validator("vans")
    @classmethod
    def _identities_are_unique(cls, vans: dict[str, VanEntry]) -> dict[str, VanEntry]:
        owner: dict[str, str] = {}
        for vehicle_id, van in vans.items():
            for identity in van.identities:
                if owner.setdefault(identity, vehicle_id) != vehicle_id:
                    raise ValueError(
                        f"the vans {owner[identity]!r} and {vehicle_id!r} both have the identity {identity!r}"
                    )
        return vans

    def depots_without_entry(self) -> dict[str, str]:
        """Depots that a van names but that have no entry, each with such a van; empty if no depot has an entry."""
        if not self.depots:
            return {}
        named = {van.depot: vehicle_id for vehicle_id, van in reversed(self.vans.items()) if van.depot is not None}
        return {depot: named[depot] for depot in sorted(named.keys() - self.depots.keys())}


def load_fleet(settings: FleetSettings) -> FleetFile:
    """Read the fleet file. If the setting has its default, a missing file means an empty fleet."""
    path = settings.file
    if not path.exists() and "file" not in settings.model_fields_set:
        return FleetFile()
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"fleet.file {str(path)!r} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"fleet.file {str(path)!r} is not valid TOML: {error}") from error
    try:
        return FleetFile.model_validate(content)
    except ValidationError as error:
        raise SettingsError(f"fleet.file {str(path)!r}: {first_error(error)}") from error
