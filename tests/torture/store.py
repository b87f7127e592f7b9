"""A real InfluxDB that misbehaves on command, with a front end in a thread of its own."""

import asyncio
import random
import re
import threading
from collections.abc import Coroutine
from typing import Any

from tests.servers.influxdb import FrontEnd, InfluxServer
from tests.torture.load import PERIOD_MS

POISON = re.compile(r"^battery,.*vehicle_id=torture-03\b.* (\d+)$")
POISON_EVERY = 400


def is_poison(line: str) -> bool:
    """A line that the database refuses for good: one reading of one van in four hundred."""
    found = POISON.match(line)
    return found is not None and int(found[1]) // PERIOD_MS % POISON_EVERY == 0


class InfluxUnderTorture:
    """Server and front end; `break_somehow` arms the next fault."""

    token = "torture"

    def __init__(self) -> None:
        self._server = InfluxServer()
        self._front = FrontEnd(self._server, write_tokens={self.token}, refuses=is_poison)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="influx front end")

    @property
    def url(self) -> str:
        """As in the setting store.url."""
        return self._front.store_url("torture")

    def start(self) -> None:
        """Start both and make the database."""
        self._server.start()
        self._server.create_database("torture")
        self._thread.start()
        self._call(self._front.__aenter__())

    def stop(self) -> None:
        """Stop both."""
        self._call(self._front.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._server.stop()

    def break_somehow(self, chance: random.Random) -> str:
        """Arm one fault and say which."""
        name = chance.choice(["503 with Retry-After", "429", "500", "closed", "answer lost", "slow", "413", "hang"])
        front = self._front
        match name:
            case "503 with Retry-After":
                front.fail("answer", times=2, status=503, headers={"Retry-After": "1"})
            case "429" | "500":
                front.fail("answer", times=2, status=int(name))
            case "closed":
                front.fail("close", times=2)
            case "answer lost":
                front.fail("lost", times=3)
            case "slow":
                front.fail("delay", times=2, seconds=1.0)
            case "413":
                front.fail("answer", times=3, status=413)
            case _:
                front.fail("hang")
        return name

    def heal(self) -> None:
        """No more faults but the poison."""
        self._front.faults.clear()

    def _call(self, work: Coroutine[Any, Any, Any]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)
