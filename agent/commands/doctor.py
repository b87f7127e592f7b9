"""`vanpulse doctor`: checks broker, log and store, computes how long an outage may last, and says what to change."""

import argparse
import asyncio
import logging
import math
import sys

import msgspec

from agent.commands.doctor_findings import Finding, LogLook, Origin, Status
from agent.commands.doctor_journal import look_at_journal
from agent.commands.doctor_outage import WISHED_RESTART_S, Outage, duration
from agent.commands.doctor_probes import (
    FRAME_BYTES,
    BrokerReport,
    StoreReport,
    look_at_broker,
    look_at_store,
)
from agent.config import Settings
from agent.log_settings import JOURNAL_URL
from agent.shard.opening import decoder_of, roster_of

ASSUMED_QUEUE = 1000
"""The default of Mosquitto and EMQX for the messages that they queue for a client."""
ASSUMED_WINDOW_311 = 20
ASSUMED_MESSAGE_BYTES = 300.0
WISHED_STORE_OUTAGE_S = 3600.0
WEEK_MS = 604_800_000
CLOCK_TOLERANCE_S = 5.0
MARKS: dict[Status, str] = {"good": "ok    ", "note": "note  ", "weak": "WEAK  ", "broken": "BROKEN"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vanpulse doctor`."""
    parser.add_argument(
        "--rate", type=_positive, metavar="HZ", help="messages per second; without it the rate is measured"
    )
    parser.add_argument(
        "--seconds", type=_positive, default=10.0, metavar="S", help="how long to measure the rate (default 10)"
    )
    parser.add_argument(
        "--queue",
        type=int,
        metavar="N",
        help="the broker's queue limit per client, which MQTT does not report (default 1000)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for monitoring")
    parser.epilog = (
        "Uses a client id of its own, so that a running agent is not disturbed. Exit status: 0 good, 1 weak or broken."
    )


def _positive(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError("must be greater than 0")
    return value


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Check everything and print the findings. Returns 0 if all is good, else 1."""
    mqtt_log = logging.getLogger("agent.mqtt")
    level = mqtt_log.level
    mqtt_log.setLevel(logging.CRITICAL)  # its errors are among the findings
    try:
        broker, log, store = asyncio.run(_look(arguments, settings))
    finally:
        mqtt_log.setLevel(level)
    findings = [*log.findings, *_store_findings(store, settings), *_broker_findings(broker, settings)]
    outage, inputs = _outage(arguments, broker, log)
    findings += inputs
    if outage is not None:
        findings += _outage_findings(outage, settings)
    worst: Status = next((status for status in ("broken", "weak") if status in {f.status for f in findings}), "good")
    if arguments.json:
        document = {"verdict": worst, "findings": findings}
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    else:
        _print(findings, worst)
    return 0 if worst == "good" else 1


async def _look(arguments: argparse.Namespace, settings: Settings) -> tuple[BrokerReport, LogLook, StoreReport]:
    roster = roster_of(settings)
    filters = decoder_of(settings, roster).topic_filters()
    seconds = 1.0 if arguments.rate else arguments.seconds
    broker, store = await asyncio.gather(
        look_at_broker(settings, filters, seconds=seconds),
        look_at_store(settings),
    )
    look = look_at_journal if settings.log.url == JOURNAL_URL else _look_at_kafka
    return broker, await asyncio.to_thread(look, settings), store


def _look_at_kafka(settings: Settings) -> LogLook:
    from agent.commands.doctor_kafka import look_at_kafka  # the client of Kafka is an extra

    return look_at_kafka(settings)


def _print(findings: list[Finding], worst: Status) -> None:
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        origin = f"({finding.origin})"
        sys.stdout.write(f"{MARKS[finding.status]} {finding.subject:<{width}}  {finding.value}  {origin}\n")
        for line in (finding.advice, finding.cure and f"→ {finding.cure}"):
            if line:
                sys.stdout.write(f"{'':{len(MARKS['good']) + 1}}{'':{width}}  {line}\n")
    sys.stdout.write(f"verdict: {worst}\n")


def _store_findings(store: StoreReport, settings: Settings) -> list[Finding]:
    finding = Finding(subject="store", value="accepts writes", origin="measured")
    if store.error:
        finding.value, finding.status = store.error, "broken"
        finding.advice = "messages wait in the journal until this is repaired"
        finding.cure = f"[store] url = {settings.store.url!r} and token"
        return [finding]
    if store.clock_offset_s is None:
        return [finding]
    clock = Finding(subject="clock", value=f"{store.clock_offset_s:+.0f} s from the store's clock", origin="measured")
    if abs(store.clock_offset_s) > CLOCK_TOLERANCE_S:
        clock.status, clock.advice = (
            "weak",
            "valid readings may be refused as too old or in the future: run NTP on both machines",
        )
    return [finding, clock]


def _broker_findings(broker: BrokerReport, settings: Settings) -> list[Finding]:
    limits, mqtt = broker.limits, settings.mqtt
    if limits is None or broker.error:
        advice = "the agent cannot receive messages"
        return [Finding(subject="broker", value=broker.error, origin="measured", status="broken", advice=advice)]
    findings = [Finding(subject="broker", value=broker.version or f"at {mqtt.url}", origin="measured")]
    kept = Finding(subject="session", value="kept across a reconnect", origin="measured")
    if not broker.session_kept:
        kept.value, kept.status = "not kept across a reconnect", "broken"
        kept.advice = "messages that vans send while the agent is down are lost"
        kept.cure = "[mqtt] session_expiry_s = 604800, and allow it in the broker"
    elif broker.session_expiry_s is not None and broker.session_expiry_s < mqtt.session_expiry_s:
        kept.status, kept.value = "weak", f"kept for {duration(broker.session_expiry_s)} only"
        kept.advice = f"the broker grants less than mqtt.session_expiry_s, {duration(mqtt.session_expiry_s)}"
        kept.cure = "in the broker: raise its limit for the session expiry"
    findings.append(kept)
    if min(limits.granted_qos) < 1:
        advice = "the broker granted less than QoS 1: messages can be lost"
        value = f"granted {limits.granted_qos}"
        findings.append(Finding(subject="QoS", value=value, origin="measured", status="weak", advice=advice))
    if broker.qos0:
        advice = "messages at QoS 0 can be lost: let the vans publish at QoS 1"
        value = f"{broker.qos0} of {broker.messages} messages came at QoS 0"
        findings.append(Finding(subject="QoS", value=value, origin="measured", status="weak", advice=advice))
    if broker.dropped:
        value = f"{broker.dropped} messages of all its clients since its start"
        advice = "a queue of the broker was full; it does not report whose"
        findings.append(Finding(subject="dropped", value=value, origin="measured", status="weak", advice=advice))
    advice = "MQTT does not report whether the broker keeps its queues after a crash: check its configuration"
    cure = "mosquitto.conf: persistence true, autosave_interval 60"
    return [
        *findings,
        Finding(subject="persistence", value="unknown", origin="assumed", status="note", advice=advice, cure=cure),
    ]


def _outage(arguments: argparse.Namespace, broker: BrokerReport, log: LogLook) -> tuple[Outage | None, list[Finding]]:
    """The inputs of the formulas, each with its origin; None if there is nothing to compute."""
    rate = arguments.rate or (broker.messages / broker.seconds if broker.seconds else 0.0)
    rate_origin: Origin = "configured" if arguments.rate else "measured"
    findings = [Finding(subject="rate", value=f"{rate:.3g} messages/s", origin=rate_origin)]
    if not rate or broker.limits is None or not log.works:
        findings[0].status = "note"
        findings[0].advice = "no message arrived: give --rate to compute outages" if not rate else ""
        return None, findings
    limits = broker.limits
    message_bytes = broker.message_bytes / broker.messages + FRAME_BYTES if broker.messages else ASSUMED_MESSAGE_BYTES
    size_origin: Origin = "measured" if broker.messages else "assumed"
    window = limits.receive_maximum or ASSUMED_WINDOW_311
    expiry_s = 0xFFFF_FFFF if broker.session_expiry_s is None else broker.session_expiry_s
    findings += [
        Finding(subject="message", value=f"{message_bytes:.0f} bytes in the journal", origin=size_origin),
        Finding(
            subject="window",
            value=f"{window} messages",
            origin="configured" if limits.receive_maximum else "assumed",
        ),
        Finding(
            subject="broker's queue",
            value=f"{arguments.queue or ASSUMED_QUEUE} messages",
            origin="configured" if arguments.queue else "assumed",
        ),
    ]
    return Outage(
        rate_per_s=rate,
        queue=arguments.queue or ASSUMED_QUEUE,
        window=window,
        ack_s=log.ack_s,
        session_expiry_s=math.inf if expiry_s == 0xFFFF_FFFF else float(expiry_s),
        journal_free_bytes=log.free_bytes,
        bytes_per_message=message_bytes,
        log_keeps_s=log.keeps_s,
    ), findings


def _outage_findings(outage: Outage, settings: Settings) -> list[Finding]:
    away = Finding(subject="agent may be down", value=duration(outage.agent_away_s), origin="computed")
    if outage.agent_away_s < WISHED_RESTART_S:
        away.status = "weak"
        away.advice = (
            f"after that the broker drops messages; an update of the agent takes up to {duration(WISHED_RESTART_S)}"
        )
        away.cure = f"mosquitto.conf: max_queued_messages {outage.queue_for(WISHED_RESTART_S)}"
    store = _store_away(outage, settings)
    catch_up_s = outage.catch_up_s(outage.store_away_s)
    after = Finding(subject="catching up after it", value=duration(catch_up_s), origin="computed")
    window = Finding(subject="window allows", value=f"{outage.most_per_s:,.0f} messages/s", origin="computed")
    if outage.most_per_s < 2 * outage.rate_per_s:
        window.status, window.advice = "weak", "less than twice the rate: the window limits the agent"
        window.cure = f"[mqtt] receive_maximum = {min(65_535, math.ceil(4 * outage.rate_per_s * outage.ack_s))}"
    return [away, store, after, window]


def _store_away(outage: Outage, settings: Settings) -> Finding:
    kept = duration(outage.store_away_s)
    if outage.log_keeps_s is not None:
        found = Finding(subject="store may be down", value=kept, origin="computed")
        advice = "after that Kafka deletes messages that are not processed; so it is if the processing agents are down"
        topic = settings.log.url.rpartition("/")[2]
        cure = f"kafka-configs.sh --alter --topic {topic} --add-config retention.ms={WEEK_MS}"
    else:
        value = f"{kept}, and {duration(outage.paused_s)} more in the broker's queue"
        found = Finding(subject="store may be down", value=value, origin="computed")
        needed = math.ceil(WISHED_STORE_OUTAGE_S * outage.rate_per_s * outage.bytes_per_message)
        advice = "after that the journal is full"
        cure = f"[journal] max_bytes = {max(needed, settings.journal.max_bytes)}, on a disk with enough room"
    if outage.store_away_s < WISHED_STORE_OUTAGE_S:
        found.status, found.advice, found.cure = "weak", advice, cure
    return found
