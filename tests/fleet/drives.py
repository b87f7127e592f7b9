"""A van for tests: says readings one after the other and keeps what the core answers."""

from typing import Any

from agent.factors.factor_set import load_factor_set
from agent.factors.intensity import Intensity
from agent.factors.traits import traits_of
from agent.fleet import Context, Thresholds, VanState, Vehicle, new_state, step, tick
from agent.fleet.records import ChargeRecord, EnergyRecord, Record, StopRecord, TripRecord
from agent.readings import Reading

START_MS = 1_750_000_000_000
KM_PER_DEGREE = 111.195
FACTORS = load_factor_set()
INTENSITY = Intensity(FACTORS)


def make_context(*, battery_kwh: float = 50.0, model: str = "test", **thresholds: Any) -> Context:
    vehicle = Vehicle(
        depot="depot",
        model=model,
        country="DE",
        battery_kwh=battery_kwh,
        payload_kg=1000.0,
        traits=traits_of(model),
        diesel_class="van_3",
    )
    return Context(
        vehicle=vehicle,
        thresholds=Thresholds(**{"curve_slope_per_pct": 0.0, **thresholds}),
        factors=FACTORS.for_van(country="DE", diesel_class="van_3", intensity=INTENSITY),
    )


class Van:
    """Its clock is `time_s`; its battery is linear: 1 % is `battery_kwh` / 100, as the van itself counts it."""

    def __init__(self, context: Context | None = None, *, soc_pct: float = 80.0, step_pct: float = 0.01) -> None:
        self.context = context or make_context()
        self.state: VanState = new_state("van-1")
        self.records: list[Record] = []
        self.readings: list[Reading] = []
        self.time_s = 0
        self.km = 0.0
        self.soc_pct = soc_pct
        self.step_pct = step_pct
        self.fields: dict[str, Any] = {}

    def say(self, **fields: Any) -> list[Record]:
        """One reading now."""
        values = {
            "soc_pct": round(round(self.soc_pct / self.step_pct) * self.step_pct, 4),
            "latitude_deg": 48.0 + self.km / KM_PER_DEGREE,
            "longitude_deg": 11.0,
            "speed_kmh": 0.0,
            **self.fields,
            **fields,
        }
        reading = Reading(
            vehicle_id="van-1",
            time_ms=START_MS + self.time_s * 1000,
            **{name: value for name, value in values.items() if value is not None},
        )
        return self.take(reading)

    def take(self, reading: Reading) -> list[Record]:
        self.readings.append(reading)
        records = step(self.state, reading, reading.time_ms, self.context)
        self.records += records
        return records

    def rest(self, seconds: int, *, every_s: int = 10, kw: float = 0.0, **fields: Any) -> None:
        """Stand; `kw` goes out of the battery."""
        for _ in range(0, seconds, every_s):
            self.time_s += every_s
            self.soc_pct -= kw * every_s / 3600.0 / self.context.vehicle.battery_kwh * 100.0
            self.say(**fields)

    def drive(
        self, seconds: int, *, speed_kmh: float = 36.0, every_s: int = 10, kwh_per_km: float = 0.25, **fields: Any
    ) -> None:
        """Drive north at one speed."""
        for _ in range(0, seconds, every_s):
            self.time_s += every_s
            km = speed_kmh * every_s / 3600.0
            self.km += km
            self.soc_pct -= km * kwh_per_km / self.context.vehicle.battery_kwh * 100.0
            self.say(**{"speed_kmh": speed_kmh, **fields})

    def silence(self, seconds: int, *, ticks: bool = True) -> None:
        """Say nothing."""
        heard_s = self.time_s
        self.time_s += seconds
        if ticks:
            for silent_s in range(10, seconds, 10):
                now_ms = START_MS + (heard_s + silent_s) * 1000
                self.records += tick(self.state, now_ms, silent_s * 1000, self.context)

    def of(self, kind: type[Any]) -> list[Any]:
        return [record for record in self.records if type(record) is kind]

    @property
    def trips(self) -> list[TripRecord]:
        return self.of(TripRecord)

    @property
    def stops(self) -> list[StopRecord]:
        return self.of(StopRecord)

    @property
    def charges(self) -> list[ChargeRecord]:
        return self.of(ChargeRecord)

    @property
    def energy(self) -> EnergyRecord:
        return self.of(EnergyRecord)[-1]
