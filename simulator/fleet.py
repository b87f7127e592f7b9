"""The simulated fleet: what every van does, one second per step.

A van is parked at its depot, drives, stands at a stop, has a break, or charges at a public charger.
"""

from typing import Final, Protocol

import numpy as np

from simulator import physics
from simulator.batteries import settle
from simulator.chance import Floats, Integers, unit
from simulator.driving import Driving
from simulator.tours import DAY_S, Purpose
from simulator.van_states import NEVER_S, Activity, Goal, VanStates

SETTLE_S: Final = 10
"""Batteries of standing vans are computed this often, those of driving vans every second."""


class Watcher(Protocol):
    """Is told of events as they happen. Vans are given by number."""

    def load_changed(self, vans: Integers) -> None:
        """The load of these vans has changed."""
        ...

    def stepped(self) -> None:
        """A second has passed."""
        ...


class Fleet(VanStates):
    """All vans of a simulation; `step` advances them by one second."""

    def __init__(self, *, vans: int, seed: int, start_s: int, clock: str = "real", live_s: int | None = None) -> None:
        """See `VanStates`. Every van begins in the middle of its working day, as of `start_s`."""
        super().__init__(vans=vans, seed=seed, start_s=start_s, clock=clock, live_s=live_s)
        self.watchers: list[Watcher] = []
        self._driving = Driving(self)
        self._begin()

    def _begin(self) -> None:
        """Put every van at the place where its working day has brought it by now."""
        vans = self.everyone
        day, second = self.local(vans)
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
        self.activity[on_tour] = Activity.STOPPED
        self.plugged[on_tour] = False
        self.charging[on_tour] = False
        self.plug_s[on_tour] = NEVER_S
        self.until_s[on_tour] = self.time_s + np.floor(90.0 * unit(self.keys[on_tour], Purpose.DWELL)).astype(np.int64)

        home = np.nonzero(~out)[0]
        self.until_s[home] = self._next_departure(home, late_s=1800)
        self.volt = physics.open_circuit_v(self.vehicles, self.soc)

    def _charge_overnight(self, vans: Integers, second: Integers, back: np.typing.NDArray[np.bool_]) -> None:
        """Set the charge of vans at the depot from the hours since their return."""
        evening = 0.35 + 0.35 * unit(self.keys[vans], Purpose.EVENING, self.day[vans])
        begin_s = np.maximum(self.charge_from_s[vans], 17.5 * 3600.0)
        hours = np.where(back & (second < begin_s), 0.0, ((second - begin_s) % DAY_S) / 3600.0)
        self.target[vans] = self._charge_target(vans)
        charged = evening + hours * physics.ac_charge_kw(self.vehicles, evening) / self.vehicles.usable_kwh
        self.soc[vans] = np.minimum(charged, self.target[vans])
        self.plugged[vans] = True
        self.plug_s[vans] = np.where(back & (second < begin_s), self.time_s + begin_s - second, self.time_s)
        self.charging[vans] = (self.soc[vans] < self.target[vans]) & (self.plug_s[vans] <= self.time_s)

    def _charge_target(self, vans: Integers) -> Floats:
        """100 % for lithium iron phosphate; 90 % or 100 % for nickel chemistries."""
        iron = np.array([self.models[van].chemistry == "LFP" for van in vans], dtype=bool)
        return np.where(iron | (unit(self.keys[vans], Purpose.TARGET) < 0.5), 1.0, 0.9)

    def _next_departure(self, vans: Integers, late_s: int = 0) -> Integers:
        """The next departure of each van; today's counts if it was at most `late_s` ago."""
        day, second = self.local(vans)
        leave = np.full(vans.size, NEVER_S, dtype=np.int64)
        for ahead in range(8, -1, -1):
            shift = self.tours.shift_s(vans, day + ahead).astype(np.int64)
            at = self.time_s - second + ahead * DAY_S + shift
            possible = self.tours.works(vans, day + ahead) & (at > self.time_s - late_s)
            leave = np.where(possible, np.maximum(at, self.time_s + 1), leave)
        return leave

    def step(self) -> None:
        """Advance by one second."""
        self.time_s += 1
        if self.time_s % 60 == 0:
            self.air_now_c = self.air_c(self.everyone)
        driving = np.nonzero(self.activity == Activity.DRIVING)[0]
        if driving.size:
            self._arrive(self._driving.drive(driving))
        due = np.nonzero(self.until_s <= self.time_s)[0]
        if due.size:
            self._next(due)
        if self.time_s % SETTLE_S == 0:
            settle(self, np.nonzero(self.activity != Activity.DRIVING)[0])
        for watcher in self.watchers:
            watcher.stepped()

    def _next(self, due: Integers) -> None:
        """Begin the next activity of vans whose present one is over."""
        settle(self, due)
        activity = self.activity[due]
        leaving = due[activity == Activity.PARKED]
        if leaving.size:
            self._leave_depot(leaving)
        served = due[activity == Activity.STOPPED]
        if served.size:
            self._served(served)
        rested = due[(activity == Activity.BREAK) | (activity == Activity.FAST_CHARGING)]
        if rested.size:
            self.plugged[rested] = False
            self.charging[rested] = False
            self._go_on(rested)

    def _leave_depot(self, vans: Integers) -> None:
        day, _ = self.local(vans)
        self.day[vans] = day
        self.plugged[vans] = False
        self.charging[vans] = False
        self.plug_s[vans] = NEVER_S
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
        """Finish a delivery: unload, then take lunch or drive on."""
        self.parcels[vans] -= self.tours.parcels(vans, self.day[vans], self.stop[vans])
        self.parcels[vans] = np.maximum(self.parcels[vans], 0)
        self._weigh(vans)
        self.stop[vans] += 1
        _, second = self.local(vans)
        start, length = self.tours.lunch_s(vans, self.day[vans])
        hungry = (second >= start) & ~self.had_lunch[vans]
        resting = vans[hungry]
        self.activity[resting] = Activity.BREAK
        self.had_lunch[resting] = True
        self.until_s[resting] = self.time_s + length[hungry].astype(np.int64)
        self._go_on(vans[~hungry])

    def _go_on(self, vans: Integers) -> None:
        """Drive to a charger if the charge does not suffice for the way home, else to the next stop or home."""
        if not vans.size:
            return
        usable = self.vehicles.usable_kwh[vans]
        needed_kwh = 0.08 * usable + self.tours.stem_m(vans) / 1000.0 * 0.38
        empty = (self.soc[vans] * usable < needed_kwh) & (self.goal[vans] != Goal.CHARGER)
        day, second = self.local(vans)
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
        self._arrive(self._driving.drive_to(vans, goal, to_u, to_v))

    def _arrive(self, vans: Integers) -> None:
        if not vans.size:
            return
        self.speed_mps[vans] = 0.0
        goal = self.goal[vans]
        stopped = vans[goal == Goal.STOP]
        self.activity[stopped] = Activity.STOPPED
        dwell = self.tours.dwell_s(stopped, self.day[stopped], self.stop[stopped])
        self.until_s[stopped] = self.time_s + dwell.astype(np.int64)
        hungry = vans[goal == Goal.CHARGER]
        self.activity[hungry] = Activity.FAST_CHARGING
        self.plugged[hungry] = True
        self.charging[hungry] = True
        self.target[hungry] = 0.55 + 0.25 * unit(self.keys[hungry], Purpose.CHARGE_TO, self.day[hungry])
        home = vans[goal == Goal.DEPOT]
        if home.size:
            self._come_home(home)

    def _come_home(self, vans: Integers) -> None:
        """Unload, plug in, and charge from the hour at which the depot allows it."""
        self.activity[vans] = Activity.PARKED
        self.parcels[vans] = 0
        self._weigh(vans)
        day, second = self.local(vans)
        self.until_s[vans] = self._next_departure(vans)
        keys = self.keys[vans]
        plug_s = self.time_s + 360 + np.floor(600.0 * unit(keys, Purpose.PLUG_DELAY, day)).astype(np.int64)
        opens_s = self.time_s + np.maximum(self.charge_from_s[vans] - second, 0.0).astype(np.int64)
        forgotten = (unit(keys, Purpose.FORGOTTEN, day) < 0.02) & (self.soc[vans] > 0.5)
        self.plug_s[vans] = np.where(forgotten, NEVER_S, np.maximum(plug_s, opens_s))
        self.target[vans] = self._charge_target(vans)
