"""GB/T 32960.3 over TCP: vans and platforms connect to the agent itself, without a gateway between."""
