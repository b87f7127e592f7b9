"""From the receiver to the log: commit what has arrived as one batch, then acknowledge it.

`gathering.py` says when. What arrives while a commit runs becomes the next batch. When the log is full, reading from
the broker pauses, and nothing is acknowledged until there is room again: that is the backpressure on the broker.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

import msgspec

from agent.admission import Admission
from agent.clock import ClockWatch, wall_clock_ms
from agent.errors import LogFull, LogUnavailable
from agent.gathering import Gathering
from agent.log import Log
from agent.messages import Batch, Message, MessageKind, tick_message
from agent.mqtt.base import Delivery, Receiver

log = logging.getLogger(__name__)

COMMIT_MESSAGES = 4096
"""A batch is closed beyond this many messages, so that one commit stays short."""

COMMIT_BYTES = 1024 * 1024
"""A batch is closed beyond this many bytes of payload, too. The limit is lower for a small log, where it has to fit."""

PAUSE_BYTES = 4 * 1024 * 1024
"""Payload waiting for a commit at which reading from the broker pauses; it goes on below half of it."""

FULL_RETRY_S = 1.0
CLOCK_RETRY_S = 1.0

TIDY_COMMITS = 50
TIDY_S = 1.0
"""The upkeep of the log is due after so many commits or so many seconds."""


class IntakeCounters:
    """What the intake counts; read by the health endpoints."""

    def __init__(self) -> None:
        self.messages = 0
        self.commits = 0
        self.journal_full = False
        self.log_problem: str | None = None
        """Why the log takes no messages at present; None while it does, or where it is only full."""
        self.commit_started_s: float | None = None
        self.last_message_ms = 0
        self.clock_problem: str | None = None
        """Why messages wait until the clock is set; None while it is plausible."""
        self.ack_delay_s = AckDelay()


class AckDelay:
    """How long deliveries waited for their commit: a histogram with fixed upper bounds in seconds.

    The histogram of prometheus_client counts one value at a time. This one counts all messages of a delivery at once.
    """

    BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0)

    def __init__(self) -> None:
        self.counts = [0] * (len(self.BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, delay_s: float, messages: int) -> None:
        """Count `messages` that waited for `delay_s`."""
        self.sum_s += delay_s * messages
        for index, bound in enumerate(self.BOUNDS_S):
            if delay_s <= bound:
                self.counts[index] += messages
                return
        self.counts[-1] += messages


class Intake:
    """Owns the messages between the socket and the log.

    The wall clock is read here and nowhere behind it. The stages behind it read time from messages.
    """

    def __init__(
        self,
        receiver: Receiver,
        log_of_messages: Log,
        *,
        commit_bytes: int = COMMIT_BYTES,
        admission: Admission | None = None,
        watch: ClockWatch | None = None,
        clock_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self.counters = IntakeCounters()
        self._receiver = receiver
        self._log = log_of_messages
        self._commit_bytes = commit_bytes
        self._admission = admission
        self._watch = watch
        self._clock_ms = clock_ms
        self._listening_from_ms = 0
        """When the clock was last set, by the new clock. Silence before that cannot be judged."""
        self._waiting: deque[tuple[float, Delivery]] = deque()
        self._waiting_bytes = 0
        self._tick_ms: int | None = None
        """The time of the tick that goes into the next batch; None: no tick is due."""
        self._announced: list[Message] = []
        self._gathering = Gathering()
        self._timer: asyncio.TimerHandle | None = None
        """Wakes `run` when a commit is due."""
        self._arrived = asyncio.Event()
        self._paused = False
        self._closing = False
        self._untidied = 0
        self._tidied_s = 0.0

    def on_delivery(self, delivery: Delivery) -> None:
        """Take what one read of the socket gave. Never blocks. Pauses the receiver when too many bytes wait."""
        now_s = time.monotonic()
        if self._admission is not None:
            refused = self._admission.refuse(delivery.messages, now_s=now_s, waiting_bytes=self._waiting_bytes)
            if refused:
                _take_out(delivery, refused)
        self._waiting.append((now_s, delivery))
        self._gathering.arrived(now_s, len(delivery.messages))
        self._waiting_bytes += sum([len(message.payload) for message in delivery.messages])
        if self._waiting_bytes > PAUSE_BYTES and not self._paused:
            self._pause()
        if self._timer is None or self._must_commit(now_s):
            self._arrived.set()

    def tick(self) -> None:
        """Append a tick behind what has arrived, so that a replay sees the time pass in the same place."""
        self.look_at_clock()
        if not self._log_refuses and self.counters.clock_problem is None:
            self._tick_ms = self._clock_ms()
            self._arrived.set()

    def announce(self, message: Message) -> None:
        """Append a message of the agent itself, before everything that is not in a batch yet."""
        self._announced.append(message)
        self._arrived.set()

    def look_at_clock(self) -> None:
        """Check whether the clock is plausible, and log when that changes."""
        problem = self._watch.problem() if self._watch is not None else None
        known, self.counters.clock_problem = self.counters.clock_problem, problem
        if problem is not None and known is None:
            log.warning("the clock of this machine cannot be right: %s", problem)
            self._pause()
        elif problem is None and known is not None:
            log.info("the clock is right now: reading goes on")
            self._listening_from_ms = self._clock_ms()
            if not self._log_refuses:
                self._resume()

    def close(self) -> None:
        """Let `run` end once everything that arrived is committed."""
        self._closing = True
        self._arrived.set()

    async def run(self) -> None:
        """Commit and acknowledge, batch after batch, until closed. Raises `LogBroken`."""
        while await self._something_to_do():
            taken, messages, tick_ms = self._take()
            if not messages and tick_ms is None:
                for _, delivery in taken:
                    self._receiver.acknowledge(delivery)
                continue
            batch = await self._append(messages, tick_ms)
            if batch is None:
                return
            now = time.monotonic()
            for arrived, delivery in taken:
                self._receiver.acknowledge(delivery)
                self.counters.ack_delay_s.add(now - arrived, len(delivery.messages))
            self.counters.messages += sum(len(delivery.messages) for _, delivery in taken)
            self.counters.commits += 1
            if taken:
                self.counters.last_message_ms = batch.received_ms
            await self._tidy()
            if self._paused and self._waiting_bytes < PAUSE_BYTES // 2:
                self._resume()

    async def _tidy(self) -> None:
        now = time.monotonic()
        self._untidied += 1
        if self._untidied < TIDY_COMMITS and now - self._tidied_s < TIDY_S:
            return
        self._untidied, self._tidied_s = 0, now
        await self._log.tidy()

    async def _something_to_do(self) -> bool:
        while True:
            if self._waiting and self._must_commit(time.monotonic()):
                return True
            if self._tick_ms is not None or self._announced:
                return True
            if self._closing:
                return False
            self._arrived.clear()
            if self._waiting:
                delay_s = self._gathering.due_s() - time.monotonic()
                self._timer = asyncio.get_running_loop().call_later(delay_s, self._arrived.set)
            await self._arrived.wait()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _must_commit(self, now_s: float) -> bool:
        """Whether what waits is committed now. Nothing is gathered once reading has paused or the intake closes."""
        return self._paused or self._closing or now_s >= self._gathering.due_s()

    def _take(self) -> tuple[list[tuple[float, Delivery]], list[Message], int | None]:
        """The deliveries of the next batch, its messages, and the time of its tick, if one is due."""
        taken: list[tuple[float, Delivery]] = []
        messages, self._announced = self._announced, []
        size = 0
        while self._waiting and len(messages) < COMMIT_MESSAGES and size < self._commit_bytes:
            entry = self._waiting.popleft()
            taken.append(entry)
            messages += entry[1].messages
            size += sum([len(message.payload) for message in entry[1].messages])
        self._waiting_bytes -= size
        self._gathering.committed(time.monotonic(), sum([len(entry[1].messages) for entry in taken]))
        tick_ms = None
        if not self._waiting:
            tick_ms, self._tick_ms = self._tick_ms, None
        return taken, messages, tick_ms

    async def _append(self, messages: list[Message], tick_ms: int | None) -> Batch | None:
        """The committed batch; None when the log stays full until the intake is closed."""
        while await self._clock_is_plausible():
            received_ms = self._clock_ms()
            listening_since_ms = self._listening_since(received_ms)
            messages = self._with_former_time(messages)
            tick = [] if tick_ms is None else [tick_message(tick_ms, listening_since_ms)]
            self._log.room_made.clear()
            self.counters.commit_started_s = time.monotonic()
            try:
                batch = await self._log.append(
                    [*messages, *tick], received_ms=received_ms, listening_since_ms=listening_since_ms
                )
            except (LogFull, LogUnavailable) as error:
                if not await self._wait_for_room(error):
                    return None
                continue
            finally:
                self.counters.commit_started_s = None
            if self._log_refuses:
                self.counters.journal_full, self.counters.log_problem = False, None
                log.info("the log takes messages again: reading goes on")
                self._resume()
            return batch
        return None

    def _listening_since(self, now_ms: int) -> int:
        """Since when silence can be judged: since the subscription, or since the clock was last set."""
        if self._watch is not None and self._watch.was_set(now_ms):
            self._listening_from_ms = now_ms
            log.warning("the clock was set, or this machine was asleep: the vans' silence is counted from now on")
        subscribed_ms = self._receiver.counters.subscribed_since_ms or now_ms
        return max(min(subscribed_ms, now_ms), self._listening_from_ms)

    def _with_former_time(self, messages: list[Message]) -> list[Message]:
        """The messages with their arrival by the former clock, if the clock was set back lately.

        Either of the two clocks may be right, so readings are judged by both.
        """
        former_ms = self._watch.former_ms() if self._watch is not None else 0
        if not former_ms:
            return messages
        return [
            msgspec.structs.replace(message, other_arrival_ms=former_ms)
            if message.kind == MessageKind.PUBLISH
            else message
            for message in messages
        ]

    async def _clock_is_plausible(self) -> bool:
        """Wait until the clock is plausible; False when the intake is closed meanwhile."""
        self.look_at_clock()
        while self.counters.clock_problem is not None:
            if self._closing:
                return False
            await asyncio.sleep(CLOCK_RETRY_S)
            self.look_at_clock()
        return True

    @property
    def _log_refuses(self) -> bool:
        return self.counters.journal_full or self.counters.log_problem is not None

    async def _wait_for_room(self, error: LogFull | LogUnavailable) -> bool:
        if not self._log_refuses:
            if isinstance(error, LogFull):
                self.counters.journal_full = True
            else:
                self.counters.log_problem = str(error)
            log.error("reading stops, nothing is acknowledged: %s", error)
            self._pause()
        try:
            async with asyncio.timeout(FULL_RETRY_S):
                await self._log.room_made.wait()
        except TimeoutError:
            pass
        return not self._closing

    def _pause(self) -> None:
        self._paused = True
        self._receiver.pause()

    def _resume(self) -> None:
        self._paused = False
        self._receiver.resume()


def _take_out(delivery: Delivery, refused: list[int]) -> None:
    """Remove refused messages from a delivery. Where each message has a packet id, the acknowledgement says so."""
    messages = delivery.messages
    wanting = [index for index, message in enumerate(messages) if message.qos]
    if len(wanting) == len(delivery.packet_ids):
        of_message = dict(zip(wanting, delivery.packet_ids, strict=True))
        delivery.refused = frozenset(of_message[index] for index in refused if index in of_message)
    out = set(refused)
    delivery.messages = [message for index, message in enumerate(messages) if index not in out]
