"""Vans that connect to the agent itself, by GB/T 32960 over TCP, and an agent that is killed meanwhile."""

import time
from pathlib import Path

import pytest

from agent.commands.ports import free_port
from simulator.broker import Broker
from simulator.frame_sender import FrameSender
from simulator.simulation import Plan, Simulation
from tests.servers.agent import Agent
from tests.servers.mosquitto import Mosquitto
from tests.servers.programs import needs

VANS = 5
HOURS = 1.0


async def past(live_s: int) -> list[tuple[str, bytes]]:
    """What the simulated vans have sent in the last hour."""
    plan = Plan(vans=VANS, seed=7, hours=HOURS, live_s=live_s, dialect="gbt32960", faults=())
    batches = [batch async for batch in Simulation(plan).stream(speedup=1.0, seconds=0)]
    return [message for batch in batches for message in batch]


@needs("mosquitto")
@pytest.mark.parametrize("edition", [2016, 2025])
async def test_no_report_is_lost_or_counted_twice_by_a_kill(tmp_path: Path, edition: int) -> None:
    port = free_port()
    listen = {"gbt32960__listen": f"127.0.0.1:{port}", "fleet__messages_per_s": 10_000}
    with Mosquitto(tmp_path) as broker, Agent(tmp_path / "agent", mqtt__url=broker.url, **listen) as agent:
        messages = await past(int(time.time()))
        answered: set[int] = set()
        killed = False

        def on_answer(number: int) -> None:
            nonlocal killed
            answered.add(number)
            if len(answered) == len(messages) // 2 and not killed:
                killed = True
                agent.kill()
                agent.start(wait=False)

        address = Broker.from_url(f"gbt32960://127.0.0.1:{port}?edition={edition}")
        async with FrameSender(address, edition=edition, on_acknowledged=on_answer) as sender:
            await sender.send(messages)
        assert killed
        assert answered == set(range(len(messages)))
        assert sender.summary.reconnects > 0
        agent.wait_ready()
        agent.wait_processed(0)
        rows = agent.points("battery")
        assert len({(row["vehicle_id"], row["time_ms"]) for row in rows}) == len(rows) == len(messages)
        assert agent.dead_letters() == []
        assert agent.metrics()["gbt32960_bytes_passed_over_total"] == 0
        assert agent.stop() == 0
