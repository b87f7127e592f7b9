"""/healthz, /readyz and /metrics: the state of the agent over HTTP.

Nothing is counted here. Each request reads the numbers that the stages have counted.
"""

import contextlib
import resource
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence, Sized
from pathlib import Path
from typing import Protocol

from aiohttp import web
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from agent.errors import SettingsError
from agent.gbt32960.connection import ListenerCounters
from agent.intake import AckDelay, IntakeCounters
from agent.log import LogStatus
from agent.mqtt.base import ReceiverCounters
from agent.shard.counters import ShardCounters
from agent.shard.totals import ShardTotals
from agent.units import StoreState
from agent.writer import WriterCounters

COMMIT_STALLED_AFTER_S = 30.0
WRITE_STALLED_AFTER_S = 150.0
"""A write consists of several requests. Each of them has a shorter timeout."""


class Progress(Protocol):
    """How far the worker is."""

    @property
    def backlog(self) -> int:
        """Messages in the log that are not worked through."""
        ...

    ahead: bool
    """Points wait in the log for the store."""
    rewinds: int


class Accepted(Protocol):
    """The log, as far as it is asked here."""

    @property
    def status(self) -> LogStatus:
        """What the log says of itself."""
        ...

    def messages_from(self, offset: int) -> int:
        """How many messages are at or behind this offset."""
        ...


class Vitals:
    """Everything that can be asked about a running agent: the counters and states that its stages write.

    `totals` and `findings` are called when somebody asks, since they look at every van.
    """

    def __init__(
        self,
        *,
        receiver: ReceiverCounters,
        intake: IntakeCounters,
        refused: Mapping[str, int],
        log: Accepted,
        worker: Progress,
        store: StoreState,
        writer: WriterCounters,
        shard: ShardCounters,
        vans: Sized,
        totals: Callable[[], ShardTotals],
        findings: Callable[[], Mapping[str, str]],
        listener: ListenerCounters | None = None,
        receives: bool = True,
        processes: bool = True,
    ) -> None:
        """`receives` and `processes` say which half of the way of a message this process has; mostly both."""
        self.receives = receives
        self.processes = processes
        self.receiver = receiver
        self.listener = listener
        """Of the listener for vans that connect themselves; None: there is none."""
        self.intake = intake
        self.refused = refused
        """Messages beyond the rate of their sender, by sender."""
        self.log = log
        self.worker = worker
        self.store = store
        self.writer = writer
        self.shard = shard
        self.vans = vans
        self.totals = totals
        self.findings = findings
        """What the dialects found that people should look at, by `dialect/vehicle_id`."""
        self.silent = False
        """Connected, yet nothing arrives although it used to. The self-report sets it."""
        self.clock_behind = False
        """All readings are from the future, so the clock of this machine is behind. The self-report sets it."""
        self.topic_problems: Mapping[str, str] = {}
        """What is wrong with the topics of a log on Kafka, by topic."""
        self.number_of_findings = 0
        """The self-report sets it."""
        self.sources: Mapping[str, bool] = {}
        """The sources that an ingesting agent has, and whether each is subscribed."""

    def refresh(self) -> None:
        """Called before anything is asked. Here every number is read from the stage that owns it."""

    def unconfirmed(self) -> int:
        """Messages journaled whose points the store has not confirmed yet."""
        return self.log.messages_from(self.store.confirmed_offset)

    def problems(self) -> list[str]:
        """Why the agent is not ready, in words; empty when it is."""
        found = []
        if self.intake.clock_problem is not None:
            found.append(f"clock: {self.intake.clock_problem}")
        elif self.clock_behind:
            found.append("clock: all readings are from the future, so the clock of this machine is behind")
        if not self.receiver.connected:
            found.append(f"broker: not connected ({self.receiver.last_error or 'connecting'})")
        elif self.receives and not self.receiver.subscribed_since_ms:
            found.append(f"broker: not subscribed ({self.receiver.last_error or 'subscribing'})")
        if self.store.failing_since_s is not None:
            found.append(f"store: {self.store.last_error}")
        if self.intake.journal_full:
            found.append("journal: full, reading has stopped")
        if self.intake.log_problem is not None:
            found.append(f"log: {self.intake.log_problem}")
        if self.log.status.out_of_room:
            found.append("journal: the disk is full, processing has stopped")
        found += [f"log: {problem}" for problem in self.topic_problems.values()]
        found += self.stalls()
        return found

    def notes(self) -> list[str]:
        """What people should look at although the agent is ready."""
        foreign = self.log.status.foreign_records
        return [f"log: {foreign} records of the topic are none of ours and were skipped"] if foreign else []

    def stalls(self) -> list[str]:
        """Stages that hang."""
        now_s = time.monotonic()
        work = (
            ("journal: a commit", self.intake.commit_started_s, COMMIT_STALLED_AFTER_S),
            ("store: a write", self.store.write_started_s, WRITE_STALLED_AFTER_S),
        )
        return [
            f"{what} has been running for {now_s - since_s:.0f} s"
            for what, since_s, limit_s in work
            if since_s is not None and now_s - since_s > limit_s
        ]


class _Collector(Collector):
    """Turns the stages' numbers into Prometheus metrics."""

    def __init__(self, vitals: Vitals) -> None:
        self._vitals = vitals

    def collect(self) -> Iterator[Metric]:
        """All metrics, freshly read."""
        vitals = self._vitals
        vitals.refresh()
        if vitals.receives:
            yield from _receiver_metrics(vitals)
        if vitals.listener is not None:
            yield from _listener_metrics(vitals.listener)
        yield from _journal_metrics(vitals)
        if vitals.processes:
            yield from _shard_metrics(vitals)
            yield from _writer_metrics(vitals)
        yield from _process_metrics()


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"vanpulse_{name}", text, value=value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"vanpulse_{name}", text, value=value)


def _labelled(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    family = CounterMetricFamily(f"vanpulse_{name}", text, labels=[label])
    for key, value in values:
        family.add_metric([key], value)
    return family


def _receiver_metrics(vitals: Vitals) -> Iterator[Metric]:
    receiver, intake = vitals.receiver, vitals.intake
    yield _labelled(
        "messages_received",
        "Messages received from the broker; only QoS 1 carries a promise.",
        "qos",
        [("0", receiver.received_qos0), ("1", receiver.received_qos1)],
    )
    yield _counter("messages_journaled", "Messages committed to the journal.", intake.messages)
    yield _counter("messages_redelivered", "Messages that the broker sent again.", receiver.redelivered)
    yield _counter("messages_retained", "Messages that the broker had kept.", receiver.retained)
    yield _labelled(
        "messages_refused", "Messages of vans beyond their rate, not taken in.", "vehicle_id", vitals.refused.items()
    )
    yield _gauge("clock_plausible", "0 while readings wait for the clock to be set.", intake.clock_problem is None)
    yield _counter("acks_sent", "Messages acknowledged.", receiver.acks_sent)
    yield _counter("acks_discarded", "Acks of a connection that had ended.", receiver.acks_discarded)
    yield _ack_delay(intake.ack_delay_s)
    yield _gauge("mqtt_connected", "1 while connected to the broker.", receiver.connected)
    yield _counter("mqtt_reconnects", "Connections to the broker made again.", receiver.reconnects)
    yield _counter("mqtt_sessions_lost", "Broker sessions lost: messages may be missing.", receiver.sessions_lost)
    yield _gauge("mqtt_reading_paused", "1 while reading from the broker is paused.", receiver.paused)
    yield _gauge("mqtt_silent", "1 while connected and nothing arrives although it used to.", vitals.silent)
    if vitals.sources:
        family = GaugeMetricFamily(
            "vanpulse_source_subscribed", "The sources of an ingesting agent; 1 while subscribed.", labels=["source"]
        )
        for name, subscribed in vitals.sources.items():
            family.add_metric([name], subscribed)
        yield family


def _listener_metrics(listener: ListenerCounters) -> Iterator[Metric]:
    yield _gauge("gbt32960_connections", "Connections of vans and platforms.", listener.connections)
    yield _counter("gbt32960_reports", "Reports received over these connections.", listener.reports)
    yield _counter("gbt32960_reports_answered", "Reports answered once they were in the log.", listener.answered)
    yield _counter(
        "gbt32960_reports_unanswered", "Reports whose connection ended before the answer.", listener.unanswered
    )
    yield _counter("gbt32960_logins_refused", "Logins refused.", listener.refused_logins)
    yield _counter("gbt32960_connections_refused", "Connections beyond the limit.", listener.refused_connections)
    yield _counter("gbt32960_bytes_passed_over", "Bytes outside of valid frames.", listener.bytes_passed_over)


def _ack_delay(delay: AckDelay) -> Metric:
    buckets, total = [], 0
    for bound, count in zip((*delay.BOUNDS_S, float("inf")), delay.counts, strict=True):
        total += count
        buckets.append(("+Inf" if bound == float("inf") else str(bound), float(total)))
    text = "From the read of the socket to the acknowledgement."
    return HistogramMetricFamily("vanpulse_ack_delay_seconds", text, buckets=buckets, sum_value=delay.sum_s)


def _journal_metrics(vitals: Vitals) -> Iterator[Metric]:
    status = vitals.log.status
    yield _gauge("journal_bytes", "Journal in use.", status.bytes_used)
    yield _gauge("journal_limit_bytes", "Journal limit.", status.max_bytes)
    yield _gauge("journal_full", "1 while the journal is full and reading has stopped.", vitals.intake.journal_full)
    yield _gauge("journal_backlog_messages", "Messages journaled and not yet worked through.", vitals.worker.backlog)
    yield _gauge(
        "unconfirmed_messages", "Messages journaled whose points the store has not confirmed.", vitals.unconfirmed()
    )
    yield _counter("journal_commits", "Commits.", status.commits)
    yield _counter("journal_commit_seconds", "Time spent in commits.", status.commit_seconds)
    yield _counter(
        "journal_dropped_messages", "Messages dropped by `when_full = drop_oldest`.", status.dropped_messages
    )
    yield _counter(
        "journal_refused_messages",
        "Messages refused because their senders had more than their share of a journal that fills up.",
        status.refused_messages,
    )
    yield _counter("journal_corrupt_rows", "Batches that failed their checksum.", status.corrupt_batches)
    yield _counter("foreign_records", "Records of a topic of Kafka that are none of ours.", status.foreign_records)
    oldest_ms = status.oldest_received_ms
    age_s = max(0.0, time.time() - oldest_ms / 1000) if oldest_ms else 0.0
    yield _gauge("journal_oldest_age_seconds", "Age of the oldest message still in the journal.", age_s)
    yield _gauge("dead_letters", "Dead letters kept.", status.dead_letters)
    yield _counter("dead_letters_evicted", "Dead letters that gave way to newer ones.", status.dead_letters_evicted)


def _shard_metrics(vitals: Vitals) -> Iterator[Metric]:
    counters, totals = vitals.shard, vitals.totals()
    yield _counter("readings_accepted", "Readings taken.", counters.accepted)
    yield _counter("readings_duplicate", "Readings seen before.", counters.duplicates)
    yield _counter("readings_late", "Readings older than the van's newest: stored, not counted.", counters.late)
    yield _counter("readings_stale", "Retained values without a time of their own.", counters.stale)
    yield _counter("loads_implausible", "Loads and drops beyond what their van can carry.", counters.implausible)
    yield _labelled("messages_rejected", "Dead letters by reason.", "reason", counters.rejected.items())
    yield _counter("internal_errors", "Messages that hit an error of this program.", counters.internal_errors)
    yield _counter("positions_rejected", "Positions that cannot be.", totals.positions_rejected)
    yield _counter("soc_rejected", "States of charge that cannot be.", totals.soc_rejected)
    yield _counter("odometer_rejected", "Odometer readings that cannot be.", totals.odometer_rejected)
    yield _counter("power_rejected", "Powers and lifetime energy counters that cannot be.", totals.power_rejected)
    yield _gauge("vans", "Vans known.", len(vitals.vans))
    yield _gauge(
        "dialect_findings",
        "Vans whose data a dialect finds worth a look; the log says what.",
        vitals.number_of_findings,
    )
    carbon_mg = max(1, totals.carbon_mg)
    yield _gauge(
        "carbon_imbalance_ratio",
        "Carbon charged less used less the change of the packs' content, over all that was charged.",
        totals.imbalance_mg / carbon_mg,
    )
    yield _gauge(
        "carbon_adjusted_ratio",
        "Carbon of energy that came or went without a charge, over all that was charged.",
        totals.adjusted_mg / carbon_mg,
    )
    yield _gauge("vans_offline", "Vans that have been silent for too long.", totals.offline)


def _writer_metrics(vitals: Vitals) -> Iterator[Metric]:
    writer = vitals.writer
    yield _counter("points_written", "Points the store confirmed.", writer.points)
    yield _counter("points_rejected", "Points the store refused for good.", writer.rejected)
    yield _counter("store_writes", "Writes the store confirmed.", writer.writes)
    yield _counter("store_write_seconds", "Time spent in writes.", writer.write_s)
    yield _labelled(
        "store_retries",
        "Writes tried again.",
        "cause",
        [("unavailable", writer.retries_unavailable), ("misconfigured", writer.retries_misconfigured)],
    )
    yield _gauge("store_up", "1 while the store takes points.", vitals.store.failing_since_s is None)
    yield _gauge("store_misconfigured", "1 while the store refuses us.", vitals.store.misconfigured)
    lag_s = max(0.0, time.time() - writer.newest_ms / 1000) if writer.newest_ms else 0.0
    yield _gauge("store_lag_seconds", "Age of the newest reading the store has.", lag_s)
    yield _gauge("running_ahead", "1 while points wait in the journal for the store.", vitals.worker.ahead)
    yield _counter("rewinds", "Times the journal was worked through again after an outage.", vitals.worker.rewinds)


def memory_bytes() -> int:
    """Resident memory of this process."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _process_metrics() -> Iterator[Metric]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    yield _counter("cpu_seconds", "CPU time of the agent.", usage.ru_utime + usage.ru_stime)
    yield _gauge("memory_bytes", "Resident memory of the agent.", memory_bytes())


def make_app(vitals: Vitals) -> web.Application:
    """The three endpoints. /healthz fails while a stage hangs, /readyz while anything keeps points from the store."""
    registry = CollectorRegistry()
    registry.register(_Collector(vitals))

    async def healthz(_request: web.Request) -> web.Response:
        vitals.refresh()
        stalls = vitals.stalls()
        return web.Response(status=503, text="\n".join([*stalls, ""])) if stalls else web.Response(text="alive\n")

    async def readyz(_request: web.Request) -> web.Response:
        vitals.refresh()
        problems: Sequence[str] = vitals.problems()
        answer = {"ready": not problems, "reasons": problems}
        if notes := vitals.notes():
            answer["notes"] = notes
        return web.json_response(answer, status=503 if problems else 200)

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": "text/plain; version=0.0.4"})

    app = web.Application(client_max_size=1024)
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    return app


async def serve(app: web.Application, *, host: str, port: int) -> web.AppRunner:
    """Listen; raises OSError when the port is taken. Stop with `cleanup()`."""
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


@contextlib.asynccontextmanager
async def serving(vitals: Vitals, listen: tuple[str, int]) -> AsyncIterator[None]:
    """Serve the endpoints meanwhile. Raises `SettingsError` when the address cannot be listened on."""
    host, port = listen
    try:
        runner = await serve(make_app(vitals), host=host, port=port)
    except OSError as error:
        raise SettingsError(f"http.listen = '{host}:{port}': cannot listen there: {error.strerror}") from error
    try:
        yield
    finally:
        await runner.cleanup()
