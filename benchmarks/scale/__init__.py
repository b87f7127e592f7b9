"""Speed of the scaled-out form beside one machine in the same run; see `__main__.py`."""
