"""The service manager's notification protocol (sd_notify): one datagram to the socket that systemd names."""

import os
import socket


def notify(state: str) -> None:
    """Send a state to systemd, if it listens: `READY=1`, `WATCHDOG=1`, `STOPPING=1`."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # A leading @ stands for the abstract namespace.
    target = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.sendto(state.encode(), target)
        except OSError:
            # Without the service manager the agent goes on.
            return
