"""MQTT over WebSocket: the bytes of MQTT travel in binary messages. `websockets` reads and writes the frames."""

import asyncio
import logging
from typing import Any, Final, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from agent.mqtt.address import BrokerAddress

LEAST_MESSAGE_BYTES: Final = 4 * 1024 * 1024
"""A WebSocket message may hold many packets, so its limit is far above the limit of a packet."""
SILENT: Final = logging.Logger("websockets", logging.CRITICAL + 1)
"""What matters reaches the caller as an error."""


class WebSocketError(OSError):
    """The server did not agree to speak MQTT over WebSocket, or broke its rules."""


class WebSocketLayer(asyncio.Protocol):
    """Stands between a socket and an asyncio protocol, which sees it as its transport.

    `opened` is done when the server has agreed; the inner protocol's `connection_made` has been called then.
    """

    def __init__(self, inner: asyncio.Protocol, address: BrokerAddress, *, max_packet_bytes: int) -> None:
        scheme = "wss" if address.encrypted else "ws"
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._inner = inner
        self._transport: asyncio.Transport | None = None
        self._violation: str | None = None
        """What the server sent that MQTT over WebSocket does not allow."""
        self._frames = ClientProtocol(
            parse_uri(f"{scheme}://{address}{address.path}"),
            subprotocols=[Subprotocol("mqtt")],
            max_size=max(LEAST_MESSAGE_BYTES, 2 * max_packet_bytes),
            logger=SILENT,
        )

    # What the socket's transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the server to speak MQTT over WebSocket."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has only the same methods
        self._frames.send_request(self._frames.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Unpack whole frames and hand their bytes on together."""
        self._frames.receive_data(data)
        self._flush()
        if not self.opened.done():
            self._on_handshake()
        payload = []
        for event in self._frames.events_received():
            if not isinstance(event, Frame) or event.opcode in {Opcode.PING, Opcode.PONG, Opcode.CLOSE}:
                continue
            if event.opcode is Opcode.TEXT:
                self._violation = "a text message"
                self._frames.fail(CloseCode.UNSUPPORTED_DATA, "binary messages only")
                self._flush()
                break
            payload.append(bytes(event.data))
        if payload and self._is_open:
            self._inner.data_received(b"".join(payload))
        if self._frames.close_expected() and self._transport is not None:
            self._transport.close()

    def eof_received(self) -> None:
        """Let the transport close."""
        self._frames.receive_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end to whoever waits for it."""
        if self._is_open:
            problem = self._violation or self._frames.parser_exc
            if exc is None and problem is not None and not isinstance(problem, EOFError):
                exc = WebSocketError(f"the server broke the rules of WebSocket: {problem}")
            self._inner.connection_lost(exc)
        elif not self.opened.done():
            if exc is None or isinstance(exc, ConnectionError):
                exc = WebSocketError("the server closed the connection instead of speaking WebSocket")
            self._fail(exc)
        self._transport = None

    def pause_writing(self) -> None:
        """Hand on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Hand on."""
        self._inner.resume_writing()

    # What the inner protocol calls: the part of `asyncio.Transport` that it uses.

    def write(self, data: bytes) -> None:
        """Send the bytes as one message."""
        if self._frames.state is State.OPEN:
            self._frames.send_binary(data)
            self._flush()

    def pause_reading(self) -> None:
        """Read nothing more from the socket."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def is_closing(self) -> bool:
        """Whether the socket is closed or about to be."""
        return self._transport is None or self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the socket's transport knows."""
        return default if self._transport is None else self._transport.get_extra_info(name, default)

    def close(self) -> None:
        """Say goodbye, and close once it is written."""
        if self._frames.state is State.OPEN:
            self._frames.send_close(1000)
            self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    # Inside.

    @property
    def _is_open(self) -> bool:
        return self.opened.done() and not self.opened.cancelled() and self.opened.exception() is None

    def _on_handshake(self) -> None:
        problem = self._frames.handshake_exc
        if problem is not None:
            self._fail(WebSocketError(_words(problem)))
        elif self._frames.state is State.OPEN:
            self.opened.set_result(None)
            self._inner.connection_made(cast("asyncio.BaseTransport", self))

    def _fail(self, error: Exception) -> None:
        if not self.opened.done():
            self.opened.set_exception(error)
        self.abort()

    def _flush(self) -> None:
        for data in self._frames.data_to_send():
            if data and self._transport is not None:  # empty: nothing more follows; the transport is closed then
                self._transport.write(data)


def _words(problem: Exception) -> str:
    if isinstance(problem, InvalidStatus):
        status = problem.response.status_code
        return f"the web server answered with status {status}: check the path in mqtt.url"
    if isinstance(problem, InvalidHandshake):
        return f"the server does not speak MQTT over WebSocket there: {problem}"
    return f"the WebSocket could not be opened: {problem}"
