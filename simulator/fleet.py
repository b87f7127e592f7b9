"""The fleet: every van's state in arrays, one second a step.

A van is parked at its depot, drives, stands at a stop, has a break, or charges at a public charger. Time is whole
seconds since the epoch; what the clock on the wall of a depot says decides who works.
"""

from enum import IntEnum
from typing import Final, NamedTuple, Protocol

import numpy as np

from simulator import physics
from simulator.chance import Floats, Integers, unit, van_keys
from simulator.depots import Depot, load_depots, utc_offset_s
from simulator.models import Model, load_models
from simulator.streets import EAST, NORTH, SOUTH, WEST, Streets
from simulator.tours import BLOCK_U_M, BLOCK_V_M, DAY_S, Purpose, Tours

BRAKING_MPS2: Final = 1.4
ACCELERATION_MPS2: Final = 1.3
CORNER_MPS: Final = 5.5
TRUNK_ROAD_M: Final = 2500.0
"""A street without a turn for longer than this is a trunk road, but for its ends."""
TRUNK_END_M: Final = 700.0
RED: Final = 0.07
GIVE_WAY: Final = 0.10
"""Share of crossings where a van has to stop, or to slow down."""
SETTLE_S: Final = 10
"""What stands still is settled this often; what drives every second."""
BATTERY_HEAT_KWH_PER_K: Final = 0.0018
"""Per kWh of battery: about 6 kg of cells and case at 1 kJ/(kg K)."""
BATTERY_COOLING_S: Final = 6 * 3600.0
STANDBY_KW: Final = 0.012
STOPPED_KW: Final = 0.10
BREAK_KW: Final = 0.15
TUESDAY: Final = 5
"""A day since the epoch that was a Tuesday: 1970-01-06."""


class Mode(IntEnum):
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


class Crew(NamedTuple):
    """The vans that drive, and what does not change while they do."""

    vans: Integers
    vehicles: physics.Vehicles
    streets: Streets
    trunk_limit_mps: Floats


class Watcher(Protocol):
    """Is told what happens, as it happens; vans by number."""

    def load_changed(self, vans: Integers) -> None:
        """These vans have another load now."""
        ...

    def stepped(self) -> None:
        """A second has passed."""
        ...


class Fleet:
    """All vans of a simulation; `step` takes them one second further."""

    def __init__(self, *, vans: int, seed: int, start_s: int, clock: str = "real", live_s: int | None = None) -> None:
        """`clock` is "real", or "HH:MM": what the depots' clocks shall show, on a Tuesday, at `live_s`."""
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
        self.watchers: list[Watcher] = []
        self._everyone = np.arange(vans)
        self._climate = np.array([depot.climate_c for depot in self.depots]).T
        self._depot_keys = van_keys(seed + 1, len(depots))[np.arange(vans) % len(depots)]
        self._charge_from_s = np.array([depot.charge_from_h for depot in self.depots]) * 3600.0
        self.clock_ahead_s = self._clock_ahead(clock, start_s if live_s is None else live_s)
        self._make_state()
        self._begin()

    # ── time ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _clock_ahead(self, clock: str, live_s: int) -> Integers:
        """Seconds that each depot's wall clock, date and all, is ahead of UTC."""
        ahead = {}
        for country in {depot.country for depot in self.depots}:
            ahead[country] = utc_offset_s(country, live_s)
            if clock != "real":
                hours, minutes = clock.split(":")
                wanted = TUESDAY * DAY_S + int(hours) * 3600 + int(minutes) * 60
                # Weeks apart, so that days keep their own chance.
                weeks = live_s // (7 * DAY_S)
                ahead[country] = wanted + weeks * 7 * DAY_S - live_s
        return np.array([ahead[depot.country] for depot in self.depots], dtype=np.int64)

    def _local(self, vans: Integers) -> tuple[Integers, Integers]:
        """Day number and second of the day on the wall clock."""
        local = self.time_s + self.clock_ahead_s[vans]
        return local // DAY_S, local % DAY_S

    def air_c(self, vans: Integers) -> Floats:
        """Outside temperature: season by the calendar, day and night by the wall clock, weather by chance."""
        mean, season, daily = self._climate[:, vans]
        season_day = self.time_s / DAY_S
        day, second = self._local(vans)
        share = second / DAY_S
        keys = self._depot_keys[vans]
        weather = (1.0 - share) * unit(keys, Purpose.WEATHER, day) + share * unit(keys, Purpose.WEATHER, day + 1)
        return np.asarray(
            mean
            - season * np.cos(2.0 * np.pi * (season_day - 18.0) / 365.2425)
            - daily * np.cos(2.0 * np.pi * (share - 4.0 / 24.0))
            + 9.0 * (weather - 0.5)
        )

    # ── state ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _make_state(self) -> None:
        n = self.size
        self.mode = np.zeros(n, dtype=np.int64)
        self.goal = np.zeros(n, dtype=np.int64)
        self.until_s = np.full(n, np.iinfo(np.int64).max, dtype=np.int64)
        self.plug_s = np.full(n, np.iinfo(np.int64).max, dtype=np.int64)
        """When the charger of the depot begins."""
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
        self.leg_m = np.zeros((n, 3))
        """What is left of the three streets of a leg."""
        self.leg_direction = np.zeros((n, 3), dtype=np.int64)
        self.leg_exit_mps = np.zeros((n, 3))
        self.leg_at = np.zeros(n, dtype=np.int64)
        self.street_m = np.zeros(n)
        """Length of the present street when it was entered."""
        self.street_limit_mps = np.zeros(n)
        self.hop_m = np.zeros(n)
        """Left to the next crossing."""
        self.hop_exit_mps = np.zeros(n)
        self.hop_hold_s = np.zeros(n)
        self.hop = np.zeros(n, dtype=np.int64)
        self.hold_until_s = np.zeros(n, dtype=np.int64)
        self.on_since_s = np.zeros(n, dtype=np.int64)
        self.soc = np.ones(n)
        self._air = self.air_c(self._everyone)
        """Looked up once a minute."""
        self._crew: Crew | None = None
        self.battery_c = self._air + 3.0
        self.power_kw = np.zeros(n)
        """At the terminals, positive into the battery."""
        self.volt = physics.open_circuit_v(self.vehicles, self.soc)
        self.ampere = np.zeros(n)
        self.load_kw = np.full(n, STANDBY_KW)
        """Climate and other loads while driving, which change slowly."""
        self.settled_s = np.full(n, self.time_s, dtype=np.int64)
        self.odometer_m = np.floor(5e6 + 55e6 * unit(self.keys, Purpose.ODOMETER))
        self.used_kwh = self.odometer_m / 1000.0 * 0.27
        self.regenerated_kwh = self.used_kwh * 0.16
        self.charged_kwh = self.used_kwh * 0.86
        self.grid_kwh = self.charged_kwh / 0.88

    def _begin(self) -> None:
        """Put every van where its day has it by now."""
        vans = self._everyone
        day, second = self._local(vans)
        works = self.tours.works(vans, day)
        shift = self.tours.shift_s(vans, day)
        way = self.tours.way_m(vans, day)
        stem_s = self.tours.stem_m(vans) / 14.0
        cycle_s = 130.0 + way / 5.0
        stops = self.tours.stops(vans, day)
        done = np.floor((second - shift - stem_s) / cycle_s).astype(np.int64)
        out = works & (done >= 0) & (done < stops)
        back = works & (done >= stops)
        self.day[:] = day
        self._charge_overnight(vans, second, back)

        on_tour = np.nonzero(out)[0]
        self.stop[on_tour] = done[on_tour]
        self.stops[on_tour] = stops[on_tour]
        self.had_lunch[on_tour] = second[on_tour] > self.tours.lunch_s(on_tour, day[on_tour])[0]
        self._load(on_tour)
        self.u[on_tour], self.v[on_tour] = self.tours.stop_at(on_tour, day[on_tour], done[on_tour])
        _, self.altitude_m = self.streets.stretch(self.u, self.v, self.direction)
        driven_km = (self.tours.stem_m(on_tour) + done[on_tour] * way[on_tour]) / 1000.0
        self.soc[on_tour] = np.maximum(0.97 - driven_km * 0.30 / self.vehicles.usable_kwh[on_tour], 0.2)
        self.battery_c[on_tour] += 6.0
        self.mode[on_tour] = Mode.STOPPED
        self.plugged[on_tour] = False
        self.charging[on_tour] = False
        self.plug_s[on_tour] = np.iinfo(np.int64).max
        self.until_s[on_tour] = self.time_s + np.floor(90.0 * unit(self.keys[on_tour], Purpose.DWELL)).astype(np.int64)

        home = np.nonzero(~out)[0]
        self.until_s[home] = self._next_departure(home, late_s=1800)
        self.volt = physics.open_circuit_v(self.vehicles, self.soc)

    def _charge_overnight(self, vans: Integers, second: Integers, back: np.typing.NDArray[np.bool_]) -> None:
        """The charge of vans at the depot, by the hours since they came back."""
        evening = 0.35 + 0.35 * unit(self.keys[vans], Purpose.EVENING, self.day[vans])
        begin_s = np.maximum(self._charge_from_s[vans], 17.5 * 3600.0)
        hours = np.where(back & (second < begin_s), 0.0, ((second - begin_s) % DAY_S) / 3600.0)
        self.target[vans] = self._charge_target(vans)
        charged = evening + hours * physics.ac_charge_kw(self.vehicles, evening) / self.vehicles.usable_kwh
        self.soc[vans] = np.minimum(charged, self.target[vans])
        self.plugged[vans] = True
        self.plug_s[vans] = np.where(back & (second < begin_s), self.time_s + begin_s - second, self.time_s)
        self.charging[vans] = (self.soc[vans] < self.target[vans]) & (self.plug_s[vans] <= self.time_s)

    def _charge_target(self, vans: Integers) -> Floats:
        """Full for iron phosphate, 90 % or full for nickel."""
        iron = np.array([self.models[van].chemistry == "LFP" for van in vans], dtype=bool)
        return np.where(iron | (unit(self.keys[vans], Purpose.TARGET) < 0.5), 1.0, 0.9)

    def _next_departure(self, vans: Integers, late_s: int = 0) -> Integers:
        """When the vans leave next; today if that is at most `late_s` ago."""
        day, second = self._local(vans)
        leave = np.full(vans.size, np.iinfo(np.int64).max, dtype=np.int64)
        for ahead in range(8, -1, -1):
            shift = self.tours.shift_s(vans, day + ahead).astype(np.int64)
            at = self.time_s - second + ahead * DAY_S + shift
            possible = self.tours.works(vans, day + ahead) & (at > self.time_s - late_s)
            leave = np.where(possible, np.maximum(at, self.time_s + 1), leave)
        return leave

    # ── one second ────────────────────────────────────────────────────────────────────────────────────────────────

    def step(self) -> None:
        """One second."""
        self.time_s += 1
        if self.time_s % 60 == 0:
            self._air = self.air_c(self._everyone)
        driving = np.nonzero(self.mode == Mode.DRIVING)[0]
        if driving.size:
            self._drive(driving)
        due = np.nonzero(self.until_s <= self.time_s)[0]
        if due.size:
            self._next(due)
        if self.time_s % SETTLE_S == 0:
            self.settle(np.nonzero(self.mode != Mode.DRIVING)[0])
        for watcher in self.watchers:
            watcher.stepped()

    def _next(self, due: Integers) -> None:
        """Vans whose time in their mode is over."""
        self.settle(due)
        mode = self.mode[due]
        leaving = due[mode == Mode.PARKED]
        if leaving.size:
            self._leave_depot(leaving)
        served = due[mode == Mode.STOPPED]
        if served.size:
            self._served(served)
        rested = due[(mode == Mode.BREAK) | (mode == Mode.FAST_CHARGING)]
        if rested.size:
            self.plugged[rested] = False
            self.charging[rested] = False
            self._go_on(rested)

    def _leave_depot(self, vans: Integers) -> None:
        day, _ = self._local(vans)
        self.day[vans] = day
        self.plugged[vans] = False
        self.charging[vans] = False
        self.plug_s[vans] = np.iinfo(np.int64).max
        self.stop[vans] = 0
        self.stops[vans] = self.tours.stops(vans, day)
        self.had_lunch[vans] = False
        self._load(vans)
        self._drive_to_stop(vans)

    def _load(self, vans: Integers) -> None:
        self.parcels[vans] = self.tours.parcels_from(vans, self.day[vans], self.stop[vans])
        self._weigh(vans)

    def _weigh(self, vans: Integers) -> None:
        self.payload_kg[vans] = self.parcels[vans] * self.tours.parcel_kg(vans, self.day[vans])
        for watcher in self.watchers:
            watcher.load_changed(vans)

    def _served(self, vans: Integers) -> None:
        """A delivery is done: less load, then lunch, or on."""
        self.parcels[vans] -= self.tours.parcels(vans, self.day[vans], self.stop[vans])
        self.parcels[vans] = np.maximum(self.parcels[vans], 0)
        self._weigh(vans)
        self.stop[vans] += 1
        _, second = self._local(vans)
        start, length = self.tours.lunch_s(vans, self.day[vans])
        hungry = (second >= start) & ~self.had_lunch[vans]
        resting = vans[hungry]
        self.mode[resting] = Mode.BREAK
        self.had_lunch[resting] = True
        self.until_s[resting] = self.time_s + length[hungry].astype(np.int64)
        self._go_on(vans[~hungry])

    def _go_on(self, vans: Integers) -> None:
        """To a charger when it would not be enough for the way home, to the next stop, or home."""
        if not vans.size:
            return
        usable = self.vehicles.usable_kwh[vans]
        needed_kwh = 0.08 * usable + self.tours.stem_m(vans) / 1000.0 * 0.38
        empty = (self.soc[vans] * usable < needed_kwh) & (self.goal[vans] != Goal.CHARGER)
        day, second = self._local(vans)
        late = (day > self.day[vans]) | (second > self.tours.shift_s(vans, self.day[vans]) + 9.5 * 3600.0)
        finished = (self.stop[vans] >= self.stops[vans]) | late
        short = empty & ~finished
        self._drive_to(vans[short], Goal.CHARGER, *self.tours.charger_at(vans[short]))
        self._drive_to_stop(vans[~short & ~finished])
        home = vans[finished]
        self._drive_to(home, Goal.DEPOT, np.zeros(home.size), np.zeros(home.size))

    def _drive_to_stop(self, vans: Integers) -> None:
        self._drive_to(vans, Goal.STOP, *self.tours.stop_at(vans, self.day[vans], self.stop[vans]))

    def _drive_to(self, vans: Integers, goal: Goal, to_u: Floats, to_v: Floats) -> None:
        """Plan a leg: along the street, across, along the street of the goal."""
        if not vans.size:
            return
        u, v = self.u[vans], self.v[vans]
        same_street = np.abs(to_v - v) < 0.5
        cross_u = np.where(same_street, to_u, np.round(to_u / BLOCK_U_M) * BLOCK_U_M)
        parts = np.stack([cross_u - u, np.where(same_street, 0.0, to_v - v), to_u - cross_u], axis=1)
        lengths = np.abs(parts)
        lengths[lengths < 0.5] = 0.0
        self.leg_m[vans] = lengths
        self.leg_direction[vans] = np.where(parts >= 0.0, (EAST, NORTH, EAST), (WEST, SOUTH, WEST))
        # From the last street backwards: how fast the van may be at the end of each.
        last = np.zeros(vans.size)
        exits = np.zeros_like(lengths)
        for i in (2, 1, 0):
            exits[:, i] = np.minimum(last, CORNER_MPS)
            last = np.where(lengths[:, i] > 0.0, np.sqrt(exits[:, i] ** 2 + 2.0 * BRAKING_MPS2 * lengths[:, i]), last)
        self.leg_exit_mps[vans] = exits
        self.leg_at[vans] = -1
        from_rest = self.mode[vans] != Mode.DRIVING
        cold = vans[from_rest & (self.mode[vans] != Mode.STOPPED)]
        self.on_since_s[cold] = self.time_s
        self.mode[vans] = Mode.DRIVING
        self.goal[vans] = goal
        self.until_s[vans] = np.iinfo(np.int64).max
        self.hold_until_s[vans] = self.time_s
        self.load_kw[vans] = physics.BASE_LOAD_KW + physics.climate_load_kw(
            self.air_c(vans), (self.time_s - self.on_since_s[vans]).astype(np.float64)
        )
        self._enter_street(vans)

    def _enter_street(self, vans: Integers) -> None:
        """Turn into the next street of the leg that has a length; arrive behind the last."""
        at = self.leg_at[vans] + 1
        for _ in range(3):
            empty = (at < 3) & (self.leg_m[vans, np.minimum(at, 2)] <= 0.0)
            at = at + empty
        self.leg_at[vans] = at
        arrived = at >= 3
        if arrived.any():
            self._arrive(vans[arrived])
            vans, at = vans[~arrived], at[~arrived]
        self.direction[vans] = self.leg_direction[vans, at]
        length = self.leg_m[vans, at]
        self.street_m[vans] = length
        fast = unit(self.keys[vans], Purpose.STREET_LIMIT, self.hop[vans]) < 0.35
        cruise = 0.92 + 0.12 * unit(self.keys[vans], Purpose.CRUISE, self.hop[vans])
        # Nobody takes a loaded van to 50 km/h for the few metres to the next door.
        fast = (fast & (length > 280.0)) | (length > 600.0)
        self.street_limit_mps[vans] = np.where(fast, 50.0, 30.0) / 3.6 * cruise
        self._begin_hop(vans)

    def _begin_hop(self, vans: Integers) -> None:
        """To the next crossing: free, give way, or red."""
        if not vans.size:
            return
        self.hop[vans] += 1
        keys, hop = self.keys[vans], self.hop[vans]
        left = self.leg_m[vans, self.leg_at[vans]]
        trunk = self._on_trunk(vans, left)
        block = np.where(self.direction[vans] >= NORTH, BLOCK_V_M, BLOCK_U_M)
        length = np.where(trunk, 650.0, block)
        # A last bit of a block joins the hop before it.
        length = np.where(left < 1.5 * length, left, length)
        draw = unit(keys, Purpose.CROSSING, hop)
        red = draw < RED
        give_way = ~red & ~trunk & (draw < RED + GIVE_WAY)
        end = left - length < 0.5
        self.hop_m[vans] = length
        self.hop_exit_mps[vans] = np.where(end, 99.0, np.where(red, 0.0, np.where(give_way, 4.0, 99.0)))
        hold = 4.0 + 36.0 * unit(keys, Purpose.HOLD, hop)
        self.hop_hold_s[vans] = np.where(red & ~end, np.floor(hold), 0.0)

    def _on_trunk(self, vans: Integers, left: Floats) -> np.typing.NDArray[np.bool_]:
        length = self.street_m[vans]
        return (length > TRUNK_ROAD_M) & (left > TRUNK_END_M) & (length - left > TRUNK_END_M)

    def _drive(self, vans: Integers) -> None:
        """Move one second: as fast as limits, corners, crossings and the motor allow."""
        crew = self._crew
        if crew is None or not np.array_equal(crew.vans, vans):
            crew = self._crew = Crew(
                vans, self.vehicles.of(vans), self.streets.of(vans), self.tours.trunk_limit_mps[vans]
            )
        vehicles = crew.vehicles
        at = self.leg_at[vans]
        left = self.leg_m[vans, at]
        hop_left = self.hop_m[vans]
        old = self.speed_mps[vans]
        trunk = self._on_trunk(vans, left)
        limit = np.where(trunk, crew.trunk_limit_mps, self.street_limit_mps[vans])
        speed = np.minimum(limit, _slow_down(self.leg_exit_mps[vans, at], left))
        speed = np.minimum(speed, _slow_down(self.hop_exit_mps[vans], hop_left))
        # The town sign at the end of a trunk road.
        sign = np.where(trunk, _slow_down(self.street_limit_mps[vans], left - TRUNK_END_M), 99.0)
        speed = np.minimum(speed, sign)
        mass = vehicles.kerb_kg + 80.0 + self.payload_kg[vans]
        strong = vehicles.motor_kw * 600.0 / (mass * np.maximum(old, 4.0))
        speed = np.minimum(speed, old + np.minimum(strong, ACCELERATION_MPS2))
        held = self.hold_until_s[vans] > self.time_s
        speed = np.where(held, 0.0, np.maximum(speed, np.minimum(left, 0.6)))

        u, v, direction = self.u[vans], self.v[vans], self.direction[vans]
        metres, altitude = crew.streets.stretch(u, v, direction)
        step = np.minimum(speed / metres, left)
        sign_of = np.where(direction % 2 == 0, step, -step)
        along_v = direction >= NORTH
        self.u[vans] = u + np.where(along_v, 0.0, sign_of)
        self.v[vans] = v + np.where(along_v, sign_of, 0.0)
        left = left - step
        hop_left = hop_left - step
        self.leg_m[vans, at] = left
        self.hop_m[vans] = hop_left
        climb = altitude - self.altitude_m[vans]
        self.altitude_m[vans] = altitude
        self.speed_mps[vans] = speed
        self.odometer_m[vans] += speed
        mean = 0.5 * (old + speed)
        grade = np.where(speed > 0.5, climb / np.maximum(speed, 0.5), 0.0)
        self.power_kw[vans] = (
            physics.drive_power_kw(
                vehicles,
                mass_kg=mass,
                speed_mps=mean,
                acceleration_mps2=speed - old,
                grade=np.clip(grade, -0.12, 0.12),
                air_c=self._air[vans],
                soc=self.soc[vans],
                battery_c=self.battery_c[vans],
            )
            - self.load_kw[vans]
        )
        self._integrate(vans, vehicles, np.ones(vans.size))

        ended = left < 0.5
        crossed = ~ended & (hop_left < 0.5)
        if crossed.any():
            some = vans[crossed]
            self.hold_until_s[some] = self.time_s + self.hop_hold_s[some].astype(np.int64)
            self._begin_hop(some)
        if ended.any():
            some = vans[ended]
            self.leg_m[some, self.leg_at[some]] = 0.0
            self._enter_street(some)

    def _arrive(self, vans: Integers) -> None:
        self.speed_mps[vans] = 0.0
        goal = self.goal[vans]
        stopped = vans[goal == Goal.STOP]
        self.mode[stopped] = Mode.STOPPED
        dwell = self.tours.dwell_s(stopped, self.day[stopped], self.stop[stopped])
        self.until_s[stopped] = self.time_s + dwell.astype(np.int64)
        hungry = vans[goal == Goal.CHARGER]
        self.mode[hungry] = Mode.FAST_CHARGING
        self.plugged[hungry] = True
        self.charging[hungry] = True
        self.target[hungry] = 0.55 + 0.25 * unit(self.keys[hungry], Purpose.CHARGE_TO, self.day[hungry])
        home = vans[goal == Goal.DEPOT]
        if home.size:
            self._come_home(home)

    def _come_home(self, vans: Integers) -> None:
        """Unload, plug in, and charge when the depot allows."""
        self.mode[vans] = Mode.PARKED
        self.parcels[vans] = 0
        self._weigh(vans)
        day, second = self._local(vans)
        self.until_s[vans] = self._next_departure(vans)
        keys = self.keys[vans]
        plug_s = self.time_s + 360 + np.floor(600.0 * unit(keys, Purpose.PLUG_DELAY, day)).astype(np.int64)
        opens_s = self.time_s + np.maximum(self._charge_from_s[vans] - second, 0.0).astype(np.int64)
        forgotten = (unit(keys, Purpose.FORGOTTEN, day) < 0.02) & (self.soc[vans] > 0.5)
        self.plug_s[vans] = np.where(forgotten, np.iinfo(np.int64).max, np.maximum(plug_s, opens_s))
        self.target[vans] = self._charge_target(vans)

    # ── the battery ───────────────────────────────────────────────────────────────────────────────────────────────

    def settle(self, vans: Integers) -> None:
        """Bring the batteries of standing vans up to now."""
        seconds = (self.time_s - self.settled_s[vans]).astype(np.float64)
        some = seconds > 0.0
        vans, seconds = vans[some], seconds[some]
        if not vans.size:
            return
        mode = self.mode[vans]
        parked = mode == Mode.PARKED
        begins = vans[parked & (self.plug_s[vans] <= self.time_s)]
        if begins.size:
            self.plugged[begins] = True
            self.charging[begins] = self.soc[begins] < self.target[begins] - 1e-9
            self.plug_s[begins] = np.iinfo(np.int64).max
        charging = self.charging[vans]
        vehicles = self.vehicles.of(vans)
        power = np.choose(mode, (-STANDBY_KW, -STANDBY_KW, -STOPPED_KW, -BREAK_KW, -BREAK_KW))
        power = np.where(self.plugged[vans] & parked, 0.0, power)
        if charging.any():
            soc = self.soc[vans]
            offered = np.where(
                parked, physics.ac_charge_kw(vehicles, soc), physics.dc_charge_kw(vehicles, soc, self.battery_c[vans])
            )
            room_kwh = (self.target[vans] - soc) * vehicles.usable_kwh
            offered = np.minimum(offered, np.maximum(room_kwh, 1e-3) * 3600.0 / seconds * 1.02)
            power = np.where(charging, offered, power)
        self.power_kw[vans] = power
        self._integrate(vans, vehicles, seconds)
        full = vans[charging & (self.soc[vans] >= self.target[vans] - 1e-4)]
        self.charging[full] = False
        done = full[self.mode[full] == Mode.FAST_CHARGING]
        self.until_s[done] = self.time_s + 60

    def _integrate(self, vans: Integers, vehicles: physics.Vehicles, seconds: Floats) -> None:
        """Charge, heat and counters for constant power over some seconds."""
        power = self.power_kw[vans]
        soc = self.soc[vans]
        battery_c = self.battery_c[vans]
        open_v = physics.open_circuit_v(vehicles, soc)
        ohm = physics.resistance_ohm(vehicles, battery_c)
        ampere = physics.current_a(open_v, ohm, power)
        hours = seconds / 3600.0
        self.soc[vans] = np.clip(soc + ampere * hours / vehicles.charge_ah, 0.0, 1.0)
        self.ampere[vans] = ampere
        self.volt[vans] = open_v + ampere * ohm
        heat_kwh = ampere**2 * ohm / 1000.0 * hours
        warmth = BATTERY_HEAT_KWH_PER_K * vehicles.usable_kwh
        air = self._air[vans]
        self.battery_c[vans] = battery_c + heat_kwh / warmth - (battery_c - air) * seconds / BATTERY_COOLING_S
        energy = power * hours
        out = np.maximum(-energy, 0.0)
        into = np.maximum(energy, 0.0)
        charging = self.charging[vans]
        self.used_kwh[vans] += out
        self.regenerated_kwh[vans] += np.where(charging, 0.0, into)
        self.charged_kwh[vans] += np.where(charging, into, 0.0)
        efficiency = np.where(
            self.mode[vans] == Mode.FAST_CHARGING, physics.DC_EFFICIENCY, physics.ac_efficiency(vehicles.ac_kw)
        )
        self.grid_kwh[vans] += np.where(charging, into / efficiency, 0.0)
        self.settled_s[vans] = self.time_s


def _slow_down(exit_mps: Floats, left_m: Floats) -> Floats:
    """The speed for the next second from which the van can still brake to `exit_mps` at `left_m`."""
    b = BRAKING_MPS2
    return np.asarray(np.sqrt(b * b + exit_mps**2 + 2.0 * b * np.maximum(left_m, 0.0)) - b)
