"""What holds for every test."""

import signal

from hypothesis import settings

# A busy machine is no failure: how long an example takes is measured elsewhere.
settings.register_profile("vanpulse", deadline=None)
settings.load_profile("vanpulse")

# A shell starts what it puts in the background with SIGINT ignored, and every process we start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
