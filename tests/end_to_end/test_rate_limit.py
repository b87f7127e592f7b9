"""A van that floods a real broker is refused before the journal. All other vans go on."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.servers.agent import Agent, wait_for
from tests.servers.mosquitto import Mosquitto
from tests.servers.programs import needs
from tests.servers.publishing import drive, publish

LARGE_BYTES = 60_000
"""Counts as 235 messages, so that 20,000 at once are 85 of these."""


def flood(number: int) -> list[tuple[str, Any]]:
    """Backdated by up to a week, which does not raise its limit."""
    now_ms = time.time_ns() // 1_000_000
    return [
        ("vans/mad/telemetry", {"time": now_ms - i * 3_600_000, "soc_pct": 50, "padding": "x" * LARGE_BYTES})
        for i in range(number)
    ]


@needs("mosquitto")
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_flood_is_refused_and_stays_refused(tmp_path: Path, protocol: str) -> None:
    settings = {"mqtt__protocol": protocol, "fleet__messages_per_s": 1e-3, "fleet__max_age_s": 7200}
    calm = drive("calm", start_ms=time.time_ns() // 1_000_000 - 3_600_000)
    with (
        Mosquitto(tmp_path, max_queued_messages=100_000) as broker,
        Agent(tmp_path / "agent", mqtt__url=broker.url, mqtt__max_packet_bytes=100_000, **settings) as agent,
    ):
        sent = publish(broker.port, flood(150)) + publish(broker.port, calm)

        def taken_or_refused() -> float:
            metrics = agent.metrics()
            return metrics.get("messages_journaled_total", 0.0) + metrics.get("messages_refused_total", 0.0)

        wait_for(lambda: taken_or_refused() == sent, "all messages to arrive")
        metrics = agent.metrics()
        assert 60 <= metrics["messages_refused_total"] <= 66  # 150 - 85, and what is not looked up
        assert metrics["messages_refused_total"] == metrics["messages_refused_total{mad}"]
        assert metrics["mqtt_reconnects_total"] == 0
        agent.wait_processed(int(sent - metrics["messages_refused_total"]))
        assert len(agent.points("battery", vehicle_id="calm")) == len(calm)
        # The broker has dropped them: a new connection redelivers none of them.
        assert agent.stop() == 0
        agent.start()
        again = publish(broker.port, drive("other", start_ms=time.time_ns() // 1_000_000 - 3_600_000))
        agent.wait_processed(again)
        assert agent.metrics()["messages_redelivered_total"] == 0
        assert agent.metrics()["messages_journaled_total"] == again
        assert agent.stop() == 0
