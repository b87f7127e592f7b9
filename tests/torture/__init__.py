"""The torture harness: real broker, agent and store, faults of every kind, and an oracle that compares every row.

`make torture SIZE=1000` runs it at length; the test suite runs a short one.
"""
