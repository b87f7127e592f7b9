"""The torture harness: real broker, real agent, real store, faults of every kind, and an oracle that compares to the row.

`make torture SIZE=1000` runs it at length; the test suite runs a short one.
"""
