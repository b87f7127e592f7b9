"""Sources that come and go, with a group made by hand. `tests/kafka/test_sources.py` has a real one."""

import asyncio

import pytest

from agent.commands.ports import free_port
from agent.errors import SettingsError
from agent.ingesting import IngestingAgent
from agent.source_run import SourceRun
from tests.test_processing import Group


async def test_a_source_that_cannot_be_taken_ends_the_agent_with_the_reason() -> None:
    """Otherwise the agent would keep the source from the others and receive nothing."""
    groups = list[Group]()

    def join(**callbacks: object) -> Group:
        groups.append(Group(**callbacks))  # type: ignore[arg-type]
        return groups[0]

    def take(_number: int) -> SourceRun:
        raise SettingsError("log.cert_file: no such file")

    agent = IngestingAgent(names=["east"], join=join, take=take, listen=("127.0.0.1", free_port()))
    async with asyncio.timeout(60):
        with pytest.raises(SettingsError, match=r"log\.cert_file"):
            await agent.run(asyncio.Event(), on_ready=lambda: groups[0].assign([0]))
