"""What stands at the end of every run: what was skipped and why, and the seed of the random examples."""

from collections import Counter

import pytest


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The reason that was given to `skip` or `skipif`."""
    assert isinstance(report.longrepr, tuple)
    return str(report.longrepr[2]).removeprefix("Skipped: ")


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line for each reason, the most frequent first."""
    reasons = Counter(skip_reason(report) for report in terminalreporter.stats.get("skipped", []))
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count} skipped: {reason}", yellow=True)
    seed = config.getoption("--hypothesis-seed", default=None)
    if seed is not None:
        profile = config.getoption("--hypothesis-profile", default=None)
        again = f"--hypothesis-profile={profile} " if profile else ""
        terminalreporter.write_line(f'random examples; the same ones again: ARGS="{again}--hypothesis-seed={seed}"')
