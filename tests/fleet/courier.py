"""A van that delivers along one meridian: where it is is said in km north of its depot."""

from typing import Any

from agent.factors.traits import traits_of
from agent.fleet import Context, take_drop, tick
from agent.fleet.records import DropRecord, Record, TourRecord
from agent.fleet.vehicle import Vehicle
from agent.geofence_file import parse_places
from agent.readings import DropReading, Reading
from tests.fleet.drives import KM_PER_DEGREE, START_MS, Van, make_context

CONTENT_G_PER_KWH = 400.0
"""Carbon content of its battery, by decree of the test."""


def depot_context(*depots_km: float, default_load_kg: float | None = None, **fields: Any) -> Context:
    """A van of 1,000 kg payload with depots at these places; the first one is its own."""
    plain = make_context()
    vehicle = Vehicle(
        depot="depot-0",
        model="test",
        country="DE",
        battery_kwh=50.0,
        payload_kg=1000.0,
        traits=traits_of("test"),
        diesel_class="van_3",
        default_load_kg=default_load_kg,
    )
    depots = {f"depot-{i}": (48.0 + km / KM_PER_DEGREE, 11.0) for i, km in enumerate(depots_km)}
    return Context(
        vehicle=vehicle,
        thresholds=plain.thresholds,
        factors=plain.factors,
        places=parse_places(None, depots) if depots else None,
        **fields,
    )


class Courier(Van):
    """Drives at 36 km/h: 100 m each 10 s. Its odometer and its energy counter are exact; 0.25 kWh a km."""

    def __init__(self, context: Context | None = None, *, content_g_per_kwh: float = CONTENT_G_PER_KWH) -> None:
        super().__init__(context or depot_context(0.0))
        self.driven_km = 0.0
        self.say()
        assert self.state.emissions is not None
        self.state.emissions.battery_g_per_kwh = content_g_per_kwh
        self.stand(60)

    def say(self, **fields: Any) -> list[Record]:
        counters = {"odometer_km": 10_000.0 + self.driven_km, "energy_out_total_kwh": 500.0 + 0.25 * self.driven_km}
        return super().say(**{**counters, **fields})

    @property
    def now_ms(self) -> int:
        return START_MS + self.time_s * 1000

    def stand(self, seconds: int) -> None:
        self.rest(seconds, every_s=10 if seconds <= 3600 else 60)

    def go(self, to_km: float) -> None:
        """Drive to a place, 100 m at a time."""
        steps = round(abs(to_km - self.km) / 0.1)
        for _ in range(steps):
            self.time_s += 10
            self.km += 0.1 if to_km > self.km else -0.1
            self.driven_km += 0.1
            self.soc_pct -= 0.1 * 0.25 / 50.0 * 100.0
            self.say(speed_kmh=36.0)

    def load(self, kg: float | None = None, parcels: int | None = None) -> None:
        """Say what is on board now."""
        self.take(Reading(vehicle_id="van-1", time_ms=self.now_ms, payload_kg=kg, parcels=parcels))

    def drop(self, action: str = "unload", *, time_ms: int | None = None, **fields: Any) -> int:
        """Say that something was loaded or unloaded; returns the verdict."""
        said = DropReading(vehicle_id="van-1", time_ms=time_ms or self.now_ms, action=action, **fields)  # type: ignore[arg-type]
        self.records += take_drop(self.state, said, self.now_ms, self.context)
        return self.state.verdict

    def wait(self, seconds: int) -> None:
        """Time passes without a word."""
        self.records += tick(self.state, self.now_ms + seconds * 1000, seconds * 1000, self.context)

    @property
    def tours(self) -> list[TourRecord]:
        """The tours as the store has them: the last word for each key."""
        return list({record.time_ms: record for record in self.of(TourRecord)}.values())

    @property
    def drops(self) -> list[DropRecord]:
        """The drops as the store has them, in order of time."""
        rows = {record.time_ms: record for record in self.of(DropRecord)}
        return [rows[time_ms] for time_ms in sorted(rows)]

    def shares_g(self) -> list[float]:
        """What the drops have of their tours' emissions."""
        return [drop.co2e_g for drop in self.drops if drop.co2e_g is not None]


def assert_no_gram_is_outside(van: Courier) -> None:
    """All of the van's emissions are its tours', but for what it used since it came to stand: the next one's."""
    rest_g = van.state.emissions.co2e_g - sum(tour.co2e_g for tour in van.tours)
    assert 0.0 <= rest_g < 15.0


def deliver(van: Courier, kg_left: float | None, parcels_left: int | None = None) -> None:
    """Two minutes at a stop, the load said before the van goes on."""
    van.stand(120)
    van.load(kg_left, parcels_left)
    van.stand(30)


def home(van: Courier) -> None:
    van.go(0.0)
    van.stand(600)
