"""What payloads mean: one module per sender, and `decoder.py`, which gives each message to the right one."""
