"""The state of every simulated van: one array per quantity, one entry per van.

Time is whole seconds since the epoch. The local time at a depot decides who works.
"""

from enum import IntEnum
from typing import Final

import numpy as np

from simulator import physics
from simulator.chance import Floats, Integers, unit, van_keys
from simulator.depots import Depot, load_depots, utc_offset_s
from simulator.models import Model, load_models
from simulator.streets import Streets
from simulator.tours import DAY_S, Purpose, Tours

NEVER_S: Final = int(np.iinfo(np.int64).max)
"""The time of an event that is not planned."""
STANDBY_KW: Final = 0.012
TUESDAY: Final = 5
"""1970-01-06, a Tuesday, in days since the epoch."""


class Activity(IntEnum):
    """What a van does."""

    PARKED = 0
    DRIVING = 1
    STOPPED = 2
    BREAK = 3
    FAST_CHARGING = 4


class Goal(IntEnum):
    """Where a driving van goes."""

    STOP = 0
    DEPOT = 1
    CHARGER = 2


class VanStates:
    """All vans of a simulation at the present second."""

    def __init__(self, *, vans: int, seed: int, start_s: int, clock: str = "real", live_s: int | None = None) -> None:
        """`clock` is "real", or "HH:MM": the local time at every depot at `live_s`, on a Tuesday."""
        self.size = vans
        self.time_s = start_s
        self.keys = van_keys(seed, vans)
        depots = list(load_depots().values())
        models = load_models()
        self.depots: list[Depot] = [depots[i % len(depots)] for i in range(vans)]
        self.models: list[Model] = [
            models[depot.models[i // len(depots) % len(depot.models)]] for i, depot in enumerate(self.depots)
        ]
        self.ids = [f"van-{number:0{max(3, len(str(vans)))}d}" for number in range(1, vans + 1)]
        self.tours = Tours(self.keys, self.depots, self.models)
        self.streets = Streets(self.depots)
        self.health = 0.94 + 0.06 * unit(self.keys, Purpose.HEALTH)
        self.vehicles = physics.make_vehicles(self.models, self.health)
        self.everyone = np.arange(vans)
        self._climate = np.array([depot.climate_c for depot in self.depots]).T
        self._depot_keys = van_keys(seed + 1, len(depots))[np.arange(vans) % len(depots)]
        self.charge_from_s = np.array([depot.charge_from_h for depot in self.depots]) * 3600.0
        self.clock_ahead_s = self._clock_ahead(clock, start_s if live_s is None else live_s)
        self._make_state()

    def _clock_ahead(self, clock: str, live_s: int) -> Integers:
        """By how many seconds the local time (with its date) of each depot is ahead of UTC."""
        ahead = {}
        for country in {depot.country for depot in self.depots}:
            ahead[country] = utc_offset_s(country, live_s)
            if clock != "real":
                hours, minutes = clock.split(":")
                wanted = TUESDAY * DAY_S + int(hours) * 3600 + int(minutes) * 60
                # Whole weeks are added, so that each week gets other random numbers and the day stays a Tuesday.
                weeks = live_s // (7 * DAY_S)
                ahead[country] = wanted + weeks * 7 * DAY_S - live_s
        return np.array([ahead[depot.country] for depot in self.depots], dtype=np.int64)

    def local(self, vans: Integers) -> tuple[Integers, Integers]:
        """Day number and second of the day in local time."""
        local = self.time_s + self.clock_ahead_s[vans]
        return local // DAY_S, local % DAY_S

    def air_c(self, vans: Integers) -> Floats:
        """Outside temperature: the season from the date, day and night from local time, weather at random."""
        mean, season, daily = self._climate[:, vans]
        season_day = self.time_s / DAY_S
        day, second = self.local(vans)
        share = second / DAY_S
        keys = self._depot_keys[vans]
        weather = (1.0 - share) * unit(keys, Purpose.WEATHER, day) + share * unit(keys, Purpose.WEATHER, day + 1)
        return np.asarray(
            mean
            - season * np.cos(2.0 * np.pi * (season_day - 18.0) / 365.2425)
            - daily * np.cos(2.0 * np.pi * (share - 4.0 / 24.0))
            + 9.0 * (weather - 0.5)
        )

    def _make_state(self) -> None:
        n = self.size
        self.activity = np.zeros(n, dtype=np.int64)
        self.goal = np.zeros(n, dtype=np.int64)
        self.until_s = np.full(n, NEVER_S, dtype=np.int64)
        self.plug_s = np.full(n, NEVER_S, dtype=np.int64)
        """When the depot's charger begins to charge this van."""
        self.plugged = np.zeros(n, dtype=bool)
        self.charging = np.zeros(n, dtype=bool)
        self.target = np.ones(n)
        self.day = np.zeros(n, dtype=np.int64)
        self.stop = np.zeros(n, dtype=np.int64)
        self.stops = np.zeros(n, dtype=np.int64)
        self.had_lunch = np.zeros(n, dtype=bool)
        self.parcels = np.zeros(n, dtype=np.int64)
        self.payload_kg = np.zeros(n)
        self.u = np.zeros(n)
        self.v = np.zeros(n)
        self.direction = np.zeros(n, dtype=np.int64)
        self.speed_mps = np.zeros(n)
        _, self.altitude_m = self.streets.stretch(self.u, self.v, self.direction)
        self.on_since_s = np.zeros(n, dtype=np.int64)
        self.soc = np.ones(n)
        self.air_now_c = self.air_c(self.everyone)
        """Outside temperature, looked up once a minute."""
        self.battery_c = self.air_now_c + 3.0
        self.power_kw = np.zeros(n)
        """At the terminals, positive into the battery."""
        self.volt = physics.open_circuit_v(self.vehicles, self.soc)
        self.ampere = np.zeros(n)
        self.load_kw = np.full(n, STANDBY_KW)
        """Heating, cooling and other loads while driving. They change slowly."""
        self.settled_s = np.full(n, self.time_s, dtype=np.int64)
        self.odometer_m = np.floor(5e6 + 55e6 * unit(self.keys, Purpose.ODOMETER))
        self.used_kwh = self.odometer_m / 1000.0 * 0.27
        self.regenerated_kwh = self.used_kwh * 0.16
        self.charged_kwh = self.used_kwh * 0.86
        self.grid_kwh = self.charged_kwh / 0.88
