"""A free port on loopback."""

import socket


def free_port() -> int:
    """A TCP port nobody listens at now; whoever binds it first has it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
