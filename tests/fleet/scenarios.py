"""What may happen to a van: drives, stops, charges, silences."""

from tests.fleet.drives import Van


def one_trip(van: Van) -> None:
    van.rest(60)
    van.drive(600)
    van.rest(600)


def trip_then_key_off(van: Van) -> None:
    van.rest(60)
    van.drive(600)
    van.rest(30)
    van.silence(1200)


def trip_with_delivery(van: Van) -> None:
    van.rest(60)
    van.drive(300)
    van.rest(150)
    van.drive(300)
    van.rest(600)


def red_light(van: Van) -> None:
    van.rest(60)
    van.drive(300)
    van.rest(40)
    van.drive(300)
    van.rest(600)


def next_door(van: Van) -> None:
    """Two deliveries, 40 m apart, that a message each 10 s hardly shows."""
    van.rest(60)
    van.drive(300)
    van.rest(200)
    van.drive(10, speed_kmh=14.4)
    van.rest(200)
    van.drive(300)
    van.rest(600)


def two_trips(van: Van) -> None:
    one_trip(van)
    van.drive(600)
    van.rest(600)


def two_short_trips(van: Van) -> None:
    """The second does not reach back to the waking up before the first."""
    van.rest(20)
    van.drive(60)
    van.rest(310)
    van.drive(60)
    van.rest(400)


def one_fast_glitch(van: Van) -> None:
    van.rest(600)
    van.say(speed_kmh=30.0)
    van.rest(600)


def drift_while_parked(van: Van) -> None:
    for metres in (0, 30, -40, 60, -20, 80, 0) * 10:
        van.time_s += 10
        van.km = metres / 1000.0
        van.say(speed_kmh=None)


def flagged_charge(van: Van) -> None:
    van.soc_pct = 40.0
    van.rest(600)
    van.rest(3600, every_s=60, kw=-11.0, charging=True)
    van.rest(600, charging=False)


def rising_charge(van: Van) -> None:
    van.soc_pct = 40.0
    van.rest(600)
    van.rest(3600, every_s=60, kw=-11.0)
    van.rest(3600, every_s=60)


def long_descent(van: Van) -> None:
    """Recuperation fills the battery by 1.5 %: no charge, and a trip of negative energy."""
    van.rest(60)
    van.drive(600, kwh_per_km=-0.125)
    van.rest(600)


def flag_while_driving(van: Van) -> None:
    van.rest(60)
    van.drive(600, charging=True)
    van.rest(600, charging=False)


def charged_while_offline(van: Van) -> None:
    van.soc_pct = 40.0
    van.rest(600)
    van.silence(8 * 3600)
    van.soc_pct = 90.0
    van.rest(600)


def charged_elsewhere_while_offline(van: Van) -> None:
    """Back 2 km from where it was last seen: while the position waits for a second one, no charge begins."""
    van.soc_pct = 40.0
    van.rest(600)
    van.silence(8 * 3600)
    van.soc_pct = 90.0
    van.km += 2.0
    van.rest(600, every_s=1)


def driven_while_offline(van: Van) -> None:
    van.rest(600)
    van.silence(3600)
    van.km += 20.0
    van.soc_pct -= 10.0
    van.rest(600)
