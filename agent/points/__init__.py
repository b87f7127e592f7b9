"""Records to rows: what is measured (`measurements.py`) and how a row is made (`rows.py`)."""
