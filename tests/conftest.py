"""What holds for every test."""

import signal

from hypothesis import settings

# A busy machine is no failure: how long an example takes is measured elsewhere. The same examples in every run, so that
# what fails is what was changed; `--hypothesis-profile=search` looks for new ones.
settings.register_profile("vanpulse", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile("vanpulse")

# A shell starts what it puts in the background with SIGINT ignored, and every process we start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
