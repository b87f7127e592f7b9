"""Journals, messages and dead letters that the tests here begin with."""

from pathlib import Path

from agent.journal import Journal
from agent.log import DeadLetter
from agent.messages import Message

MIB = 1 << 20


def open_journal(path: Path, **options: object) -> Journal:
    return Journal.open(path, **{"max_bytes": 16 * MIB, "reserve_bytes": 0} | options)  # type: ignore[arg-type]


def messages(*names: str, size: int = 0) -> list[Message]:
    return [Message(f"vans/{name}/soc", name.encode().ljust(size, name[-1:].encode())) for name in names]


def load(journal: Journal, shard: int = 0) -> tuple[int, dict[str, bytes]]:
    offset, pages = journal.load(shard)
    return offset, {key: state for page in pages for key, state in page}


def letter(offset: int, index: int = 0, **changes: object) -> DeadLetter:
    given = {
        "reason": "schema",
        "topic": "vans/a/soc",
        "payload": b"{}",
        "received_ms": 7,
        "detail": "soc_pct is missing",
    }
    return DeadLetter(offset=offset, index=index, **given | changes)  # type: ignore[arg-type]
