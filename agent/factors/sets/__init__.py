"""The published numbers, one CSV file per source; `sets.toml` says which of them make a set."""
