import pytest

from dashboards.live.fleet_view import RECENT, TRAIL_POINTS, FleetView


def battery(vehicle_id: str, time_ms: int, **fields: object) -> dict[str, object]:
    return {"vehicle_id": vehicle_id, "depot": "north", "time_ms": time_ms, **fields}


def test_the_newest_wins_in_whatever_order() -> None:
    view = FleetView()
    view.begin()
    assert view.latest("battery", [battery("a", 2000, soc_pct=50.0), battery("a", 1000, soc_pct=70.0)]) == 1
    assert view.latest("battery", [battery("a", 2000, soc_pct=50.0)]) == 0
    assert view.vans["a"].soc_pct == 50.0
    assert view.vans["a"].depot == "north"
    assert view.newest_ms == 2000


def test_a_reading_that_says_less_keeps_the_rest_but_an_energy_point_is_whole() -> None:
    view = FleetView()
    view.latest("battery", [battery("a", 1000, soc_pct=50.0, battery_temp_c=20.0), battery("a", 2000, soc_pct=49.0)])
    assert view.vans["a"].battery["battery_temp_c"] == 20.0
    view.latest("energy", [battery("a", 1000, state="driving", power_kw=9.0), battery("a", 2000, state="offline")])
    assert "power_kw" not in view.vans["a"].energy


def test_only_what_changed_since_a_version_is_sent() -> None:
    view = FleetView()
    first = view.begin()
    view.latest("battery", [battery("a", 1000), battery("b", 1000)])
    view.begin()
    view.latest("battery", [battery("b", 2000)])
    assert [van.vehicle_id for van in view.changed_since(first)] == ["b"]
    assert len(view.changed_since(0)) == 2


def test_trails_are_bounded_and_skip_standing() -> None:
    view = FleetView()
    for step in range(200):
        point = battery("a", step, latitude_deg=50 + step // 2 / 1000, longitude_deg=8.0)
        view.latest("location", [point])
    assert len(view.vans["a"].trail) == TRAIL_POINTS
    assert len(set(view.vans["a"].trail)) == TRAIL_POINTS


def alert(time_ms: int, kind: str, state: str, severity: str = "warning") -> dict[str, object]:
    return {"vehicle_id": "a", "time_ms": time_ms, "kind": kind, "state": state, "severity": severity}


def test_an_alert_is_open_until_it_is_cleared_even_when_that_arrives_first() -> None:
    view = FleetView()
    view.happened("alert", [alert(2000, "soc_low", "cleared"), alert(1000, "soc_low", "raised")])
    assert view.open_alerts() == []
    view.happened("alert", [alert(3000, "hot", "raised"), alert(2500, "soc_low", "raised", "critical")])
    assert [point["kind"] for point in view.open_alerts()] == ["soc_low", "hot"]
    assert view.worst_alerts() == {"a": "critical"}
    assert view.happened("alert", [alert(3000, "hot", "raised")]) == 0


def test_lists_of_events_are_bounded() -> None:
    view = FleetView()
    view.happened("trip", [{"vehicle_id": "a", "time_ms": number} for number in range(5000)])
    assert len(view.recent["trip"]) <= 2 * RECENT
    assert max(key[1] for key in view.recent["trip"]) == 4999


def test_key_figures() -> None:
    view = FleetView()
    view.latest("battery", [battery("a", 1, soc_pct=40.0), battery("b", 1, soc_pct=80.0), battery("c", 1)])
    view.latest(
        "energy",
        [
            battery("a", 1, state="driving", power_kw=12.0),
            battery("b", 1, state="charging", power_kw=-11.0),
            battery("c", 1, state="offline"),
        ],
    )
    figures = view.key_figures()
    assert (figures.vans, figures.online, figures.by_state["charging"]) == (3, 2, 1)
    assert (figures.soc_mean_pct, figures.soc_min_pct) == (60.0, 40.0)
    assert (figures.drawn_kw, figures.charging_kw) == (12.0, 11.0)


def test_an_empty_fleet_has_no_mean() -> None:
    figures = FleetView().key_figures()
    assert figures.soc_mean_pct is None
    assert figures.vans == 0
    assert FleetView().front_ms() is None


@pytest.mark.parametrize(
    ("title", "times", "front"),
    [
        ("one clock of twenty that runs ahead moves nothing", [*range(1000, 1019), 9_000_000], 1018),
        ("a van alone is the front", [500], 500),
    ],
)
def test_the_front(title: str, times: list[int], front: int) -> None:
    view = FleetView()
    view.latest("energy", [battery(f"van{number}", time_ms, state="parked") for number, time_ms in enumerate(times)])
    assert view.front_ms() == front
