"""Alternatives to vanpulse, set up as their documentation recommends."""
