"""Fuzzing with a million inputs: `make fuzz`."""
