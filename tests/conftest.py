"""What holds for every test."""

from hypothesis import settings

# A busy machine is no failure: how long an example takes is measured elsewhere.
settings.register_profile("vanpulse", deadline=None)
settings.load_profile("vanpulse")
