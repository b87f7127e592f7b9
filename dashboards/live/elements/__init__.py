"""The page's own browser elements: map, chart and table."""
