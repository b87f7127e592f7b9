from dashboards.live.van_view import BUCKETS, VanView

MINUTE = 60_000


def test_means_per_bucket_whatever_the_order() -> None:
    view = VanView("a", 6)
    assert view.bucket_ms == 30_000
    view.add("location", [{"time_ms": 50_000, "speed_kmh": 30.0}])
    view.add("location", [{"time_ms": 31_000, "speed_kmh": 10.0}, {"time_ms": 10_000, "speed_kmh": 5.0}])
    assert view.line("speed_kmh") == [(0, 5.0), (30_000, 20.0)]
    assert view.newest_ms["location"] == 50_000


def test_a_gap_breaks_the_line() -> None:
    view = VanView("a", 6)
    view.add("battery", [{"time_ms": 0, "soc_pct": 50.0}, {"time_ms": 20 * MINUTE, "soc_pct": 40.0}])
    assert view.line("soc_pct") == [(0, 50.0), (30_000, None), (20 * MINUTE, 40.0)]


def test_points_are_bounded() -> None:
    view = VanView("a", 6)
    for start in range(0, 20 * 3600, 3600):
        view.add(
            "location",
            [
                {"time_ms": second * 1000, "speed_kmh": 1.0, "latitude_deg": second / 1e4, "longitude_deg": 8.0}
                for second in range(start, start + 3600, 10)
            ],
        )
    assert len(view.line("speed_kmh")) <= BUCKETS + 1
    assert len(view.trail()) <= BUCKETS + 1


def test_trips_and_charges_are_kept_once() -> None:
    view = VanView("a", 6)
    view.add("trip", [{"time_ms": 5, "distance_km": 1.0}])
    view.add("trip", [{"time_ms": 5, "distance_km": 1.0}])
    assert len(view.trips) == 1
