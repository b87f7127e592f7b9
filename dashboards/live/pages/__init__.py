"""One module per page; each has `add(site)`."""
