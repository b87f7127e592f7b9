"""A van: what happens to it (the truth), and what it reports.

The truth follows from physics alone: distance is speed times time, energy is power times time, 1 % of an 83 kWh battery
is 0.83 kWh, and 97 % of what enters at the terminals comes out again. A life is a list of steps. A step moves the truth
and says readings; what a step says can be replaced by what a faulty van says: a value, a function of the van, or None
for nothing.
"""

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any, Final

from tests.world.senders import Message, Native, Sender

BATTERY_KWH: Final = 83.0
"""Usable energy of a van that is not in a fleet file."""
ROUND_TRIP: Final = 0.97
"""Energy out of a cell per energy into it (FASTSim)."""
KM_PER_DEGREE: Final = 111.195
KWH_PER_KM: Final = 0.25
MINUTE: Final = 60
HOUR: Final = 3600

PLAIN: Final = ("soc_pct", "latitude_deg", "longitude_deg", "speed_kmh", "odometer_km")
NO_ODOMETER: Final = PLAIN[:-1]
FLAGS: Final = (*PLAIN, "charging", "plugged_in")
POWER: Final = (*FLAGS, "battery_power_kw")
COUNTERS: Final = (*PLAIN, "energy_out_total_kwh", "energy_in_total_kwh")
EVERYTHING: Final = (*POWER, "charger_power_kw")

Value = float | bool | str | None
Says = Value | Callable[["Van"], Value]
Step = Callable[["Van"], None]


class Van:
    """The truth and the messages so far. Times are seconds since the start of its life."""

    def __init__(
        self,
        sender: Sender | None = None,
        *,
        fields: tuple[str, ...] = PLAIN,
        soc_pct: float = 80.0,
        odometer_km: float = 5000.0,
        soc_step_pct: float = 0.1,
        battery_kwh: float = BATTERY_KWH,
        every_s: float = 10.0,
    ) -> None:
        self.sender = sender or Native()
        self.fields = fields
        self.kwh_per_pct = battery_kwh / 100
        self.soc_step_pct = soc_step_pct
        self.every_s = every_s
        """Seconds between readings, where a step gives no other value."""
        self.time_s = 0.0
        self.soc_pct = soc_pct
        self.odometer_km = odometer_km
        self.north_km = 0.0
        self.direction = 1
        """1 northwards, -1 southwards."""
        self.speed_kmh = 0.0
        self.charging = False
        self.plugged_in = False
        self.battery_kw = 0.0
        """Positive into the battery."""
        self.grid_kw = 0.0
        self.out_kwh = 4000.0
        self.in_kwh = 900.0
        self.readings = 0
        self.always: dict[str, Says] = {}
        self.random = Random(1)
        self.muted = False
        self.messages: list[Message] = []

    def truth(self) -> dict[str, Value]:
        """What an honest van reports, with the resolution that vans have."""
        return {
            "soc_pct": round(round(self.soc_pct / self.soc_step_pct) * self.soc_step_pct, 3),
            "latitude_deg": round(48.1 + self.north_km / KM_PER_DEGREE, 6),
            "longitude_deg": 11.5,
            "speed_kmh": self.speed_kmh,
            "odometer_km": round(self.odometer_km, 1),
            "charging": self.charging,
            "plugged_in": self.plugged_in,
            "battery_power_kw": round(self.battery_kw, 2),
            "charger_power_kw": round(self.grid_kw, 2),
            "energy_out_total_kwh": round(self.out_kwh, 2),
            "energy_in_total_kwh": round(self.in_kwh, 2),
        }

    def pass_time(self, seconds: float, *, kmh: float = 0.0, kw: float = 0.0) -> None:
        """Drive at a speed while `kw` flows into the battery; negative is out of it."""
        hours = seconds / HOUR
        self.time_s += seconds
        self.odometer_km += kmh * hours
        self.north_km += kmh * hours * self.direction
        self.speed_kmh = kmh
        self.battery_kw = kw
        kwh = kw * hours
        if kwh > 0:
            self.in_kwh += kwh
            self.soc_pct += kwh * ROUND_TRIP / self.kwh_per_pct
        else:
            self.out_kwh -= kwh
            self.soc_pct += kwh / self.kwh_per_pct

    def steps(self, seconds: float, every_s: float | None) -> list[float]:
        """The times between readings in so many seconds. There is at least one reading."""
        number = max(1, round(seconds / (every_s or self.every_s)))
        return [seconds / number] * number

    def say(self, **says: Says) -> None:
        """Report one reading now: the truth, except for the given values."""
        self.readings += 1
        if self.muted:
            return
        truth = self.truth()
        fields: dict[str, Value] = {name: truth[name] for name in self.fields}
        for name, said in (self.always | says).items():
            fields[name] = said(self) if callable(said) else said
        known = {name: value for name, value in fields.items() if value is not None}
        self.messages += self.sender.messages(self.time_s, known)


def rest(seconds: float, *, every_s: float | None = None, kw: float = 0.0, **says: Says) -> Step:
    """Stand while `kw` flows out of the battery."""

    def step(van: Van) -> None:
        for step_s in van.steps(seconds, every_s):
            van.pass_time(step_s, kw=-kw)
            van.say(**says)

    return step


def drive(
    km: float, *, kmh: float = 36.0, kwh_per_km: float = KWH_PER_KM, every_s: float | None = None, **says: Says
) -> Step:
    """Drive north at one speed. An energy per km below zero is a descent."""

    def step(van: Van) -> None:
        for step_s in van.steps(km / kmh * HOUR, every_s):
            van.pass_time(step_s, kmh=kmh, kw=-kmh * kwh_per_km)
            van.say(**says)
        van.speed_kmh = 0.0

    return step


def carried(km: float, *, kmh: float = 80.0, kw: float = 0.0, every_s: float | None = None, **says: Says) -> Step:
    """Be moved by a lorry, a ferry or a train: only the place changes. `kw` may flow into the battery."""

    def step(van: Van) -> None:
        for step_s in van.steps(km / kmh * HOUR, every_s):
            van.pass_time(step_s, kw=kw)
            van.north_km += kmh * step_s / HOUR
            van.say(**says)

    return step


def charge(
    seconds: float,
    *,
    kw: float,
    grid_kw: float | None = None,
    every_s: float | None = None,
    unplug: bool = True,
    **says: Says,
) -> Step:
    """Charge with `kw` at the battery's terminals, then report once that the charge has ended."""

    def step(van: Van) -> None:
        van.charging = van.plugged_in = True
        van.grid_kw = grid_kw if grid_kw is not None else kw / 0.89
        for step_s in van.steps(seconds, every_s):
            van.pass_time(step_s, kw=kw)
            van.say(**says)
        van.charging = False
        van.plugged_in = not unplug
        van.battery_kw = van.grid_kw = 0.0

    return step


def silence(seconds: float) -> Step:
    """Stand and report nothing."""
    return unheard(rest(seconds, every_s=seconds))


def unheard(*steps: Step) -> Step:
    """Steps that happen without any report."""

    def step(van: Van) -> None:
        muted, van.muted = van.muted, True
        play(van, steps)
        van.muted = muted

    return step


def turn_round(van: Van) -> None:
    """Drive the other way from now on."""
    van.direction = -van.direction


def always(**says: Says) -> Step:
    """From now on the van reports these values, unless a step gives others."""
    return lambda van: van.always.update(says)


def honest(*names: str) -> Step:
    """From now on the van reports the truth for these fields."""

    def step(van: Van) -> None:
        for name in names:
            del van.always[name]

    return step


def delivered(change: Callable[[list[Message]], list[Message]], *steps: Step) -> Step:
    """Steps whose messages are delivered in another way: `buffered`, `twice` or `from_store` in `senders`."""

    def step(van: Van) -> None:
        earlier, van.messages = van.messages, []
        play(van, steps)
        van.messages = earlier + change(van.messages)

    return step


def repeat(times: int, *steps: Step) -> Step:
    """Repeat the steps."""

    def step(van: Van) -> None:
        for _ in range(times):
            play(van, steps)

    return step


def play(van: Van, steps: "tuple[Step, ...] | list[Step]") -> None:
    """Carry out the steps."""
    for step in steps:
        step(van)


def stuck(name: str) -> Says:
    """A frozen field: the value of its first reading. For one step or for `always`."""
    first: list[Any] = []

    def said(van: Van) -> Value:
        if not first:
            first.append(van.truth()[name])
        value: Value = first[0]
        return value

    return said


def late(name: str, seconds: float) -> Says:
    """The value of so long ago."""
    past: deque[tuple[float, Value]] = deque()

    def said(van: Van) -> Value:
        past.append((van.time_s, van.truth()[name]))
        while len(past) > 1 and past[1][0] <= van.time_s - seconds:
            past.popleft()
        return past[0][1]

    return said


def each(count: int, wrong: Says, name: str) -> Says:
    """The wrong value in one of so many readings, else the truth."""

    def said(van: Van) -> Value:
        if van.readings % count:
            return van.truth()[name]
        return wrong(van) if callable(wrong) else wrong

    return said


def wander(metres: float) -> dict[str, Any]:
    """Fixes scattered around the true place, normally distributed."""
    degrees = metres / 1000 / KM_PER_DEGREE
    return {
        "latitude_deg": lambda van: round(48.1 + van.north_km / KM_PER_DEGREE + van.random.gauss(0, degrees), 6),
        "longitude_deg": lambda van: round(11.5 + van.random.gauss(0, degrees * 1.5), 6),
    }
