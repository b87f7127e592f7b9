"""The simulator's commands: one file each, with `add_arguments` and `run`."""
