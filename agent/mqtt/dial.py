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


async def dial(
    address: BrokerAddress, protocol: asyncio.Protocol, *, tls: ssl.SSLContext | None, max_packet_bytes: int
) -> None:
    """Connect, and call `protocol.connection_made` once MQTT can be spoken.

    The name is resolved anew. Its addresses, IPv6 and IPv4 in turn, are tried one after the other without waiting for
    the failure of the one before. Raises OSError. It has no time limit of its own.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    connected = await aiohappyeyeballs.start_connection(
        found, happy_eyeballs_delay=NEXT_ADDRESS_AFTER_S, interleave=1, loop=loop
    )
    layer = None if address.path is None else WebSocketLayer(protocol, address, max_packet_bytes=max_packet_bytes)
    try:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.create_connection(
            lambda: layer or protocol, sock=connected, ssl=tls, server_hostname=address.host if tls else None
        )
        if layer is not None:
            await layer.opened
    except BaseException:
        if layer is not None:
            layer.opened.cancel()
            layer.abort()
        connected.close()
        raise
