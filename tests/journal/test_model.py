"""The journal against a plain list: any order of appends, checkpoints, crashes and openings, and it still agrees."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agent.errors import LogFull
from agent.journal import Journal
from agent.log import DeadLetter
from agent.messages import Message

LIMIT = 1 << 20


class JournalModel(RuleBasedStateMachine):
    """`messages` is everything that was ever appended; the journal holds it from `first` or the checkpoint on."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="journal-model-"))
        self.generation = 0
        self.messages: list[bytes] = []
        self.checkpoint = 0
        self.first = 0
        self.states: dict[str, bytes] = {}
        self.letters: list[DeadLetter] = []

    @initialize(when_full=st.sampled_from(["pause", "drop_oldest"]))
    def open_new(self, when_full: str) -> None:
        self.when_full = when_full
        self.open()

    @property
    def path(self) -> Path:
        return self.folder / f"{self.generation}" / "journal.db"

    def open(self) -> None:
        self.journal = Journal.open(
            self.path,
            max_bytes=LIMIT,
            when_full=self.when_full,  # type: ignore[arg-type]
            reserve_bytes=0,
        )

    @rule(sizes=st.lists(st.integers(0, 80_000), min_size=1, max_size=8))
    def append(self, sizes: list[int]) -> None:
        payloads = [bytes([len(self.messages) + n & 255]) * size for n, size in enumerate(sizes)]
        dropped = self.journal.status.dropped_messages
        try:
            batch = self.journal.append([Message("t", p) for p in payloads], received_ms=1, listening_since_ms=0)
        except LogFull:
            used = self.journal.status.bytes_used
            assert self.when_full == "pause"
            assert used + sum(sizes) + 10_000 > LIMIT
            return
        assert batch.offset == len(self.messages)
        self.messages += payloads
        dropped = self.journal.status.dropped_messages - dropped
        if dropped:
            assert self.when_full == "drop_oldest"
            self.first = max(self.first, self.checkpoint) + dropped

    @rule(sizes=st.lists(st.integers(40_000, 80_000), min_size=1, max_size=3), times=st.integers(5, 15))
    def fill(self, sizes: list[int], times: int) -> None:
        for _ in range(times):
            self.append(sizes)

    @rule(share=st.floats(0, 1), names=st.sets(st.sampled_from("abcdef")), size=st.integers(1, 5000))
    def move_checkpoint(self, share: float, names: set[str], size: int) -> None:
        low = max(self.checkpoint, self.first)
        offset = low + round(share * (len(self.messages) - low))
        changed = {name: bytes([offset & 255]) * size for name in names}
        self.journal.checkpoint(0, offset, changed)
        self.checkpoint = offset
        self.states |= changed

    @precondition(lambda self: self.messages)
    @rule(share=st.floats(0, 1))
    def keep_letter(self, share: float) -> None:
        letter = DeadLetter(
            offset=round(share * (len(self.messages) - 1)),
            reason="schema",
            topic="t",
            payload=b"x",
            received_ms=1,
            detail="",
        )
        self.journal.add_dead_letters([letter])
        if letter not in self.letters:
            self.letters.append(letter)

    @precondition(lambda self: self.letters)
    @rule()
    def replay_letters(self) -> None:
        try:
            batches = self.journal.replay_dead_letters([letter.key for letter in self.letters])
        except LogFull:
            return
        self.letters = [letter for letter in self.letters if letter.offset >= self.checkpoint]
        for batch in batches:
            assert batch.offset == len(self.messages)
            self.messages += [message.payload for message in batch.messages]

    @rule()
    def tidy(self) -> None:
        self.journal.tidy()

    @rule()
    def close_and_open(self) -> None:
        self.journal.close()
        self.open()

    @rule()
    def crash(self) -> None:
        """What is on the disk at this moment is all that the next process finds."""
        crashed, old = self.path.parent, self.journal
        self.generation += 1
        shutil.copytree(crashed, self.path.parent, ignore=shutil.ignore_patterns("*-shm"))
        old.close()
        self.open()

    @invariant()
    def journal_agrees(self) -> None:
        if not hasattr(self, "journal"):
            return
        status = self.journal.status
        assert status.next_offset == len(self.messages)
        assert status.checkpoint_offset == self.checkpoint
        assert status.bytes_used <= LIMIT + 65536 * 4
        low = max(self.checkpoint, self.first)
        for start in {low, (low + len(self.messages)) // 2}:
            batches = self.journal.read(start, max_messages=10**9)
            assert [m.payload for batch in batches for m in batch.messages] == self.messages[start:]
            offset = start
            for batch in batches:
                assert batch.offset == offset
                offset = batch.end
        if self.first > self.checkpoint:
            assert self.journal.read(0, max_messages=1)[0].offset == self.first
        offset, pages = self.journal.load(0)
        assert {key: state for page in pages for key, state in page} == self.states
        assert offset == self.checkpoint
        assert list(self.journal.dead_letters()) == self.letters

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.close()
        shutil.rmtree(self.folder)


JournalModel.TestCase.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
TestJournalModel = JournalModel.TestCase
TestJournalModel.pytestmark = pytest.mark.timeout(300)  # thousands of syncs, which a disk may take its time for
