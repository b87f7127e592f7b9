"""A free port on loopback."""

import itertools
import random
import socket

# Below what systems give to outgoing connections and to whoever asks for port 0 (32768 and up on Linux): neither can
# take a port between the moment it is named here and the moment its server listens.
_PORTS = range(20_000, 32_000)

# From a random one on: two runs at once hardly ever meet.
_in_turn = itertools.islice(itertools.cycle(_PORTS), random.randrange(len(_PORTS)), None)


def free_port() -> int:
    """A TCP port nobody listens at now and that was not named here lately; whoever binds it first has it."""
    for port in itertools.islice(_in_turn, len(_PORTS)):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port on loopback")
