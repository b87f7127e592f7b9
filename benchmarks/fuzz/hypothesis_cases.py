"""Inputs drawn by hypothesis: any JSON, almost valid native fields, any text and any bytes."""

import json

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from agent.dialects.native import KINDS
from agent.messages import Message
from benchmarks.fuzz.whole_way import Agent

TOPICS = (
    "vans/v/soc",
    "vans/v/location",
    "vans/v/telemetry",
    "vans/v/load",
    "gbt32960/v/upstream/info",
    "vss/v",
    "vss/v/Vehicle/Speed",
    "ovms/v/v/metric/v/b/soc",
    "saic/u/vehicles/LTESTVAN000000001/location/position",
    "saic/u/vehicles/LTESTVAN000000001/refresh/lastVehicleState",
    "teslamate/cars/1/location",
)


def run_hypothesis(agent: Agent, count: int, received_ms: int) -> int:
    """Send `count` drawn inputs through the agent. Returns their number."""
    done = 0
    texts = st.text(max_size=30)
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
    keys = st.sampled_from([*KINDS["telemetry"], *KINDS["load"], "vehicle_id", "seq", "Vin", "Data", "Infos"]) | texts
    trees = st.recursive(scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=6))
    whole = {"time": received_ms, "soc_pct": 5, "latitude_deg": 1, "longitude_deg": 2}
    near = st.dictionaries(keys, scalars, max_size=8).map(lambda fields: whole | fields)
    payloads = (
        (trees | near).map(json.dumps).map(str.encode)
        | st.binary(max_size=300)
        | texts.map(lambda text: text.encode("utf-8", "surrogatepass"))
    )

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(TOPICS), payloads, st.booleans())
    def one(topic: str, payload: bytes, retained: bool) -> None:  # noqa: FBT001
        nonlocal done
        done += 1
        agent.take([Message(topic, payload, retained=retained)], received_ms + done * 100)

    one()
    return done
