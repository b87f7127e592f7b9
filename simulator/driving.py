"""How simulated vans drive. A leg has up to three streets, a street has hops between crossings."""

from typing import Final, NamedTuple

import numpy as np

from simulator import physics
from simulator.batteries import integrate
from simulator.chance import Floats, Integers, unit
from simulator.streets import EAST, NORTH, SOUTH, WEST, Streets
from simulator.tours import BLOCK_U_M, BLOCK_V_M, Purpose
from simulator.van_states import NEVER_S, Activity, Goal, VanStates

BRAKING_MPS2: Final = 1.4
ACCELERATION_MPS2: Final = 1.3
CORNER_MPS: Final = 5.5
TRUNK_ROAD_M: Final = 2500.0
"""A street that is longer than this without a turn is a trunk road, except for its ends."""
TRUNK_END_M: Final = 700.0
RED: Final = 0.07
GIVE_WAY: Final = 0.10
"""Shares of crossings where a van has to stop (`RED`) or to slow down (`GIVE_WAY`)."""


class DrivingVans(NamedTuple):
    """The vans that drive now, and their properties that do not change while they drive."""

    vans: Integers
    vehicles: physics.Vehicles
    streets: Streets
    trunk_limit_mps: Floats


class Driving:
    """Plans legs and moves vans along them. It owns the state of the legs; position and speed are in `VanStates`."""

    def __init__(self, states: VanStates) -> None:
        """No van drives yet."""
        self._states = states
        n = states.size
        self._crew: DrivingVans | None = None
        self._leg_m = np.zeros((n, 3))
        """Remaining length of each of the three streets of a leg."""
        self._leg_direction = np.zeros((n, 3), dtype=np.int64)
        self._leg_exit_mps = np.zeros((n, 3))
        self._leg_at = np.zeros(n, dtype=np.int64)
        self._street_m = np.zeros(n)
        """Full length of the present street."""
        self._street_limit_mps = np.zeros(n)
        self._hop_m = np.zeros(n)
        """Remaining distance to the next crossing."""
        self._hop_exit_mps = np.zeros(n)
        self._hop_hold_s = np.zeros(n)
        self._hop = np.zeros(n, dtype=np.int64)
        self._hold_until_s = np.zeros(n, dtype=np.int64)

    def drive_to(self, vans: Integers, goal: Goal, to_u: Floats, to_v: Floats) -> Integers:
        """Plan a leg: along the street, across, along the street of the goal. Return the vans already there."""
        states = self._states
        if not vans.size:
            return vans
        u, v = states.u[vans], states.v[vans]
        same_street = np.abs(to_v - v) < 0.5
        cross_u = np.where(same_street, to_u, np.round(to_u / BLOCK_U_M) * BLOCK_U_M)
        parts = np.stack([cross_u - u, np.where(same_street, 0.0, to_v - v), to_u - cross_u], axis=1)
        lengths = np.abs(parts)
        lengths[lengths < 0.5] = 0.0
        self._leg_m[vans] = lengths
        self._leg_direction[vans] = np.where(parts >= 0.0, (EAST, NORTH, EAST), (WEST, SOUTH, WEST))
        # The speed allowed at the end of each street, computed from the last street backwards.
        last = np.zeros(vans.size)
        exits = np.zeros_like(lengths)
        for i in (2, 1, 0):
            exits[:, i] = np.minimum(last, CORNER_MPS)
            last = np.where(lengths[:, i] > 0.0, np.sqrt(exits[:, i] ** 2 + 2.0 * BRAKING_MPS2 * lengths[:, i]), last)
        self._leg_exit_mps[vans] = exits
        self._leg_at[vans] = -1
        from_rest = states.activity[vans] != Activity.DRIVING
        cold = vans[from_rest & (states.activity[vans] != Activity.STOPPED)]
        states.on_since_s[cold] = states.time_s
        states.activity[vans] = Activity.DRIVING
        states.goal[vans] = goal
        states.until_s[vans] = NEVER_S
        self._hold_until_s[vans] = states.time_s
        states.load_kw[vans] = physics.BASE_LOAD_KW + physics.climate_load_kw(
            states.air_c(vans), (states.time_s - states.on_since_s[vans]).astype(np.float64)
        )
        return self._enter_street(vans)

    def _enter_street(self, vans: Integers) -> Integers:
        """Turn into the next street of the leg that has a length. Return the vans that have finished the last one."""
        states = self._states
        at = self._leg_at[vans] + 1
        for _ in range(3):
            empty = (at < 3) & (self._leg_m[vans, np.minimum(at, 2)] <= 0.0)
            at = at + empty
        self._leg_at[vans] = at
        finished = at >= 3
        arrived = vans[finished]
        vans, at = vans[~finished], at[~finished]
        states.direction[vans] = self._leg_direction[vans, at]
        length = self._leg_m[vans, at]
        self._street_m[vans] = length
        fast = unit(states.keys[vans], Purpose.STREET_LIMIT, self._hop[vans]) < 0.35
        cruise = 0.92 + 0.12 * unit(states.keys[vans], Purpose.CRUISE, self._hop[vans])
        # A loaded van does not reach 50 km/h in the few metres to the next door.
        fast = (fast & (length > 280.0)) | (length > 600.0)
        self._street_limit_mps[vans] = np.where(fast, 50.0, 30.0) / 3.6 * cruise
        self._begin_hop(vans)
        return arrived

    def _begin_hop(self, vans: Integers) -> None:
        """Plan the way to the next crossing, which is free, give way or red."""
        states = self._states
        if not vans.size:
            return
        self._hop[vans] += 1
        keys, hop = states.keys[vans], self._hop[vans]
        left = self._leg_m[vans, self._leg_at[vans]]
        trunk = self._on_trunk(vans, left)
        block = np.where(states.direction[vans] >= NORTH, BLOCK_V_M, BLOCK_U_M)
        length = np.where(trunk, 650.0, block)
        # A short rest of a block becomes part of this hop.
        length = np.where(left < 1.5 * length, left, length)
        draw = unit(keys, Purpose.CROSSING, hop)
        red = draw < RED
        give_way = ~red & ~trunk & (draw < RED + GIVE_WAY)
        end = left - length < 0.5
        self._hop_m[vans] = length
        self._hop_exit_mps[vans] = np.where(end, 99.0, np.where(red, 0.0, np.where(give_way, 4.0, 99.0)))
        hold = 4.0 + 36.0 * unit(keys, Purpose.HOLD, hop)
        self._hop_hold_s[vans] = np.where(red & ~end, np.floor(hold), 0.0)

    def _on_trunk(self, vans: Integers, left: Floats) -> np.typing.NDArray[np.bool_]:
        length = self._street_m[vans]
        return (length > TRUNK_ROAD_M) & (left > TRUNK_END_M) & (length - left > TRUNK_END_M)

    def drive(self, vans: Integers) -> Integers:
        """Move one second, as fast as limits, corners, crossings and the motor allow. Return the vans that arrive."""
        states = self._states
        crew = self._crew
        if crew is None or not np.array_equal(crew.vans, vans):
            crew = self._crew = DrivingVans(
                vans, states.vehicles.of(vans), states.streets.of(vans), states.tours.trunk_limit_mps[vans]
            )
        vehicles = crew.vehicles
        at = self._leg_at[vans]
        left = self._leg_m[vans, at]
        hop_left = self._hop_m[vans]
        old = states.speed_mps[vans]
        trunk = self._on_trunk(vans, left)
        limit = np.where(trunk, crew.trunk_limit_mps, self._street_limit_mps[vans])
        speed = np.minimum(limit, _slow_down(self._leg_exit_mps[vans, at], left))
        speed = np.minimum(speed, _slow_down(self._hop_exit_mps[vans], hop_left))
        # The lower limit begins at the town sign at the end of a trunk road.
        sign = np.where(trunk, _slow_down(self._street_limit_mps[vans], left - TRUNK_END_M), 99.0)
        speed = np.minimum(speed, sign)
        mass = vehicles.kerb_kg + 80.0 + states.payload_kg[vans]
        strong = vehicles.motor_kw * 600.0 / (mass * np.maximum(old, 4.0))
        speed = np.minimum(speed, old + np.minimum(strong, ACCELERATION_MPS2))
        held = self._hold_until_s[vans] > states.time_s
        speed = np.where(held, 0.0, np.maximum(speed, np.minimum(left, 0.6)))

        u, v, direction = states.u[vans], states.v[vans], states.direction[vans]
        metres, altitude = crew.streets.stretch(u, v, direction)
        step = np.minimum(speed / metres, left)
        sign_of = np.where(direction % 2 == 0, step, -step)
        along_v = direction >= NORTH
        states.u[vans] = u + np.where(along_v, 0.0, sign_of)
        states.v[vans] = v + np.where(along_v, sign_of, 0.0)
        left = left - step
        hop_left = hop_left - step
        self._leg_m[vans, at] = left
        self._hop_m[vans] = hop_left
        climb = altitude - states.altitude_m[vans]
        states.altitude_m[vans] = altitude
        states.speed_mps[vans] = speed
        states.odometer_m[vans] += speed
        mean = 0.5 * (old + speed)
        grade = np.where(speed > 0.5, climb / np.maximum(speed, 0.5), 0.0)
        states.power_kw[vans] = (
            physics.drive_power_kw(
                vehicles,
                mass_kg=mass,
                speed_mps=mean,
                acceleration_mps2=speed - old,
                grade=np.clip(grade, -0.12, 0.12),
                air_c=states.air_now_c[vans],
                soc=states.soc[vans],
                battery_c=states.battery_c[vans],
            )
            - states.load_kw[vans]
        )
        integrate(states, vans, vehicles, np.ones(vans.size))

        ended = left < 0.5
        crossed = ~ended & (hop_left < 0.5)
        if crossed.any():
            some = vans[crossed]
            self._hold_until_s[some] = states.time_s + self._hop_hold_s[some].astype(np.int64)
            self._begin_hop(some)
        some = vans[ended]
        if not some.size:
            return some
        self._leg_m[some, self._leg_at[some]] = 0.0
        return self._enter_street(some)


def _slow_down(exit_mps: Floats, left_m: Floats) -> Floats:
    """The highest speed for the next second that still lets the van brake to `exit_mps` within `left_m`."""
    b = BRAKING_MPS2
    return np.asarray(np.sqrt(b * b + exit_mps**2 + 2.0 * b * np.maximum(left_m, 0.0)) - b)
