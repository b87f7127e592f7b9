"""Looks at the topics from time to time: whether one is gone, was made again, or would now lose what it is given."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from confluent_kafka import KafkaException

from agent.errors import LogUnavailable
from agent.kafka.client import Admin
from agent.kafka.topics import Topics, describe, flaw
from agent.thread import OwnThread

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 3.0


class TopicWatch:
    """`problems`, always the same object, has what is wrong now, by topic.

    That Kafka does not answer is not among them: those who read and write say so.
    """

    def __init__(self, settings: Mapping[str, Any], topics: Topics) -> None:
        self.problems: dict[str, str] = {}
        self._admin = Admin(settings)
        self._topics = topics
        self._ids: dict[str, str] = {}

    def unsafe(self) -> str | None:
        """Why messages must not be written to the log now; None while they may."""
        return self.problems.get(self._topics.messages)

    async def run(self) -> None:
        """Look until cancelled."""
        thread = OwnThread("kafka-topics")
        try:
            while True:
                try:
                    self._note(await thread.call(self.look))
                except (LogUnavailable, KafkaException) as error:
                    log.debug("the topics cannot be looked at: %s", error)
                except Exception:  # an error of this program must not end the watch unseen
                    log.exception("looking at the topics failed")
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            thread.stop()

    def look(self) -> dict[str, str]:
        """What is wrong now, by topic. Blocks. Raises `LogUnavailable` and `KafkaException`."""
        found = describe(self._admin, self._topics)
        problems: dict[str, str] = {}
        for name in self._topics:
            state = found.get(name)
            if state is None:
                problems[name] = f"topic {name!r} is gone. Restore it and restart all agents"
            elif self._ids.setdefault(name, state.topic_id) != state.topic_id:
                problems[name] = f"topic {name!r} was deleted and made again. Restore it and restart all agents"
            elif (text := flaw(self._topics, name, state)) is not None:
                problems[name] = f"topic {name!r} {text}"
        return problems

    def _note(self, problems: dict[str, str]) -> None:
        for name, text in problems.items():
            if self.problems.get(name) != text:
                log.error("%s", text)
        for name in self.problems.keys() - problems.keys():
            log.info("topic %r is right again", name)
        self.problems.clear()
        self.problems.update(problems)
