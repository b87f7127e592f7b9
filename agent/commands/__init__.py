"""The commands of `vanpulse`: a module for each, with `add_arguments` and `run`."""
