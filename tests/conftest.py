"""What holds for every test."""

import signal

from hypothesis import settings

from tests.run_summary import pytest_terminal_summary as pytest_terminal_summary

# No deadline in any profile: a busy machine makes no test fail.
# "vanpulse": the same examples in every run. A failure comes from a change of the code.
# "seeded": the examples that `--hypothesis-seed=N` gives. CI takes a new seed for each run and prints it (`.ci/run`).
# "search": new examples in every run, and more of them where a test sets no number (`.ci/weekly`).
# `derandomize` is written out: Hypothesis has a default of its own where the variable CI is set.
settings.register_profile("vanpulse", deadline=None, derandomize=True)
settings.register_profile("seeded", deadline=None, derandomize=False, database=None, print_blob=True)
settings.register_profile("search", deadline=None, derandomize=False, max_examples=1000, print_blob=True)
settings.load_profile("vanpulse")

# A shell starts background processes with SIGINT ignored, and every process that a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
