"""Browser elements of the live page: map, chart and table."""
