"""The journal's disk, as `vanpulse doctor` sees it."""

import sqlite3
from typing import Final

import msgspec

from agent.commands.doctor_findings import Finding, LogLook, size_text
from agent.commands.doctor_probes import DiskReport, look_at_disk
from agent.config import Settings

RESERVE_BYTES: Final = 64 * 1024 * 1024
FASTEST_SYNC_S: Final = 20e-6
SLOW_COMMIT_S: Final = 0.05


def look_at_journal(settings: Settings) -> LogLook:
    """Measure the disk. Blocks."""
    disk = look_at_disk(settings.journal.path)
    free_bytes = min(settings.journal.max_bytes - disk.used_bytes, disk.free_bytes - RESERVE_BYTES)
    return LogLook(
        _findings(disk, settings),
        works=not disk.error,
        ack_s=max(disk.commit_p99_s, 0.001),
        free_bytes=max(0, free_bytes),
    )


def _findings(disk: DiskReport, settings: Settings) -> list[Finding]:
    subject, path = "journal's disk", settings.journal.path
    if disk.error:
        advice = "the journal cannot be written there, so that no message would be acknowledged"
        return [Finding(subject=subject, value=disk.error, origin="measured", status="broken", advice=advice)]
    findings = []
    if disk.filesystem in {"tmpfs", "ramfs", "overlay"}:
        where = "in memory" if disk.filesystem != "overlay" else "in the container's own layer"
        advice = f"{path} is {where}: acknowledged messages are lost when that ends"
        cure = "[journal] path = a file on a real disk or a volume"
        lost = Finding(subject="file system", value=disk.filesystem, origin="measured", status="weak", advice=advice)
        findings.append(msgspec.structs.replace(lost, cure=cure))
    else:
        findings.append(Finding(subject="file system", value=disk.filesystem, origin="measured"))
    value = f"median {disk.commit_median_s * 1e3:.2f} ms, p99 {disk.commit_p99_s * 1e3:.2f} ms"
    commits = Finding(subject="commit", value=value, origin="measured")
    if disk.commit_median_s < FASTEST_SYNC_S:
        commits.status, commits.advice = (
            "weak",
            "no disk syncs that fast: a cache confirms early, so that a power cut loses messages",
        )
    elif disk.commit_p99_s > SLOW_COMMIT_S:
        commits.status, commits.advice = (
            "weak",
            "each acknowledgement waits for a commit: use a faster disk for the journal",
        )
    needed = max(0, settings.journal.max_bytes - disk.used_bytes) + RESERVE_BYTES
    space = Finding(subject="free disk", value=size_text(disk.free_bytes), origin="measured")
    if disk.free_bytes < needed:
        space.status, space.advice = (
            "weak",
            f"the journal may grow by {size_text(needed)}, and the disk would be full before that",
        )
        space.cure = f"[journal] max_bytes = {max(2**20, disk.free_bytes + disk.used_bytes - 2 * RESERVE_BYTES)}"
    version = Finding(subject="SQLite", value=sqlite3.sqlite_version, origin="measured")
    if (3, 7, 0) <= sqlite3.sqlite_version_info < (3, 51, 3):
        version.advice = (
            "this version may have the WAL-reset defect; the journal avoids it by writing through one connection"
        )
    return [*findings, commits, space, version]
