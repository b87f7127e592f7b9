"""ENTSO-E A75 documents: generation per fuel and hour, as the transparency platform publishes it."""

from collections.abc import Mapping
from datetime import UTC, datetime

from tests.world.senders import START_MS

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?><GL_MarketDocument '
    'xmlns="urn:iec62325.351:tc57wg16:451-6:generationloaddocument:3:0"><mRID>x</mRID><type>A75</type>'
    "<process.processType>A16</process.processType>"
)


def a75(fuels: Mapping[str, tuple[float, int]], *, start_h: int = 0, area: str = "10Y1001A1001A82H") -> str:
    """For each fuel: its code, its power in MW, and how many hours from `start_h` are published."""
    series = "".join(
        f"<TimeSeries><mRID>{number}</mRID><businessType>A01</businessType><objectAggregation>A08</objectAggregation>"
        f'<inBiddingZone_Domain.mRID codingScheme="A01">{area}</inBiddingZone_Domain.mRID>'
        "<quantity_Measure_Unit.name>MAW</quantity_Measure_Unit.name><curveType>A01</curveType>"
        f"<MktPSRType><psrType>{fuel}</psrType></MktPSRType><Period><timeInterval>"
        f"<start>{_hour(start_h)}</start><end>{_hour(start_h + hours)}</end></timeInterval>"
        f"<resolution>PT60M</resolution>{_points(megawatts, hours)}</Period></TimeSeries>"
        for number, (fuel, (megawatts, hours)) in enumerate(fuels.items(), 1)
    )
    return f"{_HEAD}{series}</GL_MarketDocument>"


def _points(megawatts: float, hours: int) -> str:
    return "".join(
        f"<Point><position>{position}</position><quantity>{megawatts:g}</quantity></Point>"
        for position in range(1, hours + 1)
    )


def _hour(hour: int) -> str:
    start_s = START_MS / 1000 // 3600 * 3600 + hour * 3600
    return datetime.fromtimestamp(start_s, UTC).strftime("%Y-%m-%dT%H:%MZ")
