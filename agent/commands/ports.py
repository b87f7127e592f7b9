"""Free ports on the loopback interface."""

import itertools
import random
import socket

# Below the range for outgoing connections and for port 0 (32768 and up on Linux), so that neither can take a port
# between the moment it is returned here and the moment its server listens.
_PORTS = range(20_000, 32_000)

# The first one is random, so that two runs at the same time seldom choose the same.
_in_turn = itertools.islice(itertools.cycle(_PORTS), random.randrange(len(_PORTS)), None)


def free_port() -> int:
    """A TCP port on which nobody listens and that was not returned recently. It is not reserved."""
    for port in itertools.islice(_in_turn, len(_PORTS)):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port on loopback")
