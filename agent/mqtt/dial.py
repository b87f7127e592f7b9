"""Opens the connection to one broker: name, address, TLS and, if the address asks for it, WebSocket."""

import asyncio
import socket
import ssl
from typing import Final

import aiohappyeyeballs

from agent.mqtt.address import BrokerAddress
from agent.mqtt.websocket import WebSocketLayer

NEXT_ADDRESS_AFTER_S: Final = 0.25
"""If an address of the name has not answered, the next one is tried beside it (RFC 8305)."""
UNWANTED_S: Final = 0.1
"""How long a cancelled call waits for its socket. Without TLS it is there at once; else it is closed later."""
HANDSHAKE_TIMEOUT_S: Final = 10.0
"""How long a TLS handshake may take."""


async def dial(
    address: BrokerAddress, protocol: asyncio.Protocol, *, tls: ssl.SSLContext | None, max_packet_bytes: int
) -> asyncio.Transport:
    """Connect, and call `protocol.connection_made` once MQTT can be spoken. Returns the socket's transport.

    The name is resolved anew. Its addresses, IPv6 and IPv4 in turn, are tried one after the other without waiting for
    the failure of the one before. Raises OSError. It has no time limit of its own.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    try:
        connected = await aiohappyeyeballs.start_connection(
            found, happy_eyeballs_delay=NEXT_ADDRESS_AFTER_S, interleave=1, loop=loop
        )
    except RuntimeError as error:  # of uvloop, where others raise OSError
        raise OSError(str(error)) from error
    layer = None if address.path is None else WebSocketLayer(protocol, address, max_packet_bytes=max_packet_bytes)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Cancelled in the middle, it would leave the socket to two owners. So it runs to its end and is closed then.
    taking = asyncio.create_task(
        loop.create_connection(
            lambda: layer or protocol,
            sock=connected,
            ssl=tls,
            server_hostname=address.host if tls else None,
            ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S if tls else None,
        )
    )
    try:
        transport, _ = await asyncio.shield(taking)
        if transport.is_closing() and not isinstance(transport, asyncio.Transport):
            connected.detach()  # uvloop has closed its descriptor without telling this object
        if layer is not None:
            await layer.opened
    except BaseException:
        taking.add_done_callback(_abort)
        if layer is not None:
            layer.opened.cancel()
        await asyncio.wait({taking}, timeout=UNWANTED_S)
        raise
    return transport


def _abort(taking: "asyncio.Task[tuple[asyncio.Transport, asyncio.Protocol]]") -> None:
    if not taking.cancelled() and taking.exception() is None:
        taking.result()[0].abort()
