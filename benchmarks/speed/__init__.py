"""How fast, how small, how soon: `make bench`. Real servers, the real agent in a process of its own, two cores."""
