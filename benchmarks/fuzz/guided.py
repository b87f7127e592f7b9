"""The coverage-guided fuzzer: `python -m benchmarks.fuzz.guided RUNS`. It starts from the corpus of the tests."""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["agent.dialects", "agent.fleet", "agent.shard.shard", "json.decoder", "json.scanner"]
):
    from agent.messages import Message
    from benchmarks.fuzz.hypothesis_cases import TOPICS
    from benchmarks.fuzz.whole_way import Agent

CORPUS = Path(__file__).parents[2] / "tests" / "dialects" / "corpus"
RECEIVED_MS = 1_773_065_131_000
LONGEST_BYTES = 4096

agent = Agent()


def one(data: bytes) -> None:
    """Run one input. Its first byte selects the topic, and the rest is the payload."""
    if data:
        agent.take([Message(TOPICS[data[0] % len(TOPICS)], data[1:])], RECEIVED_MS)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for index, file in enumerate(sorted(CORPUS.rglob("*.*"))):
            for topic, name in enumerate(TOPICS):
                if name.endswith(file.suffix.replace(".", "/")):
                    Path(folder, f"{index}-{topic}").write_bytes(bytes([topic]) + file.read_bytes())
        limits = [f"-runs={sys.argv[1]}", f"-max_len={LONGEST_BYTES}", "-timeout=10", "-rss_limit_mb=1024", "-seed=1"]
        atheris.Setup([sys.argv[0], folder, *limits, f"-artifact_prefix={tempfile.gettempdir()}/"], one)
        atheris.Fuzz()


main()
