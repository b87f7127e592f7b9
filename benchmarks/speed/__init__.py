"""Speed, memory and latency: `make bench`. Real servers, and the real agent in a separate process, on two cores."""
