"""One connection of a van, or of a platform that forwards the frames of many vans.

    opened ──▶ NEW ── login of a van or a platform ──▶ SIGNED IN ── logout, silence or an error ──▶ closed

Login, logout, heartbeat and a request for the time are answered at once. A report is answered once it is in the log, so
a terminal that keeps what was not answered loses nothing. A report of a van that has not signed in is refused.
"""

import asyncio
import logging
from typing import Final, Protocol, cast

import msgspec

from agent.dialects.gbt32960_frame import Answer, Command, Frame, FrameReader, answer_to

log = logging.getLogger(__name__)

MOST_UNANSWERED: Final = 256
"""Reports of one connection that may wait for the log; reading from it pauses at that."""
MOST_UNREAD_BYTES: Final = 65_536
"""A connection whose peer leaves so many bytes of answers unread is closed."""
MOST_PASSED_OVER: Final = 65_536
"""A connection that has sent so many bytes outside of frames is closed."""


class ListenerCounters(msgspec.Struct):
    """State and counters of the listener, for the health endpoints."""

    connections: int = 0
    reports: int = 0
    answered: int = 0
    unanswered: int = 0
    """Reports whose connection had ended before they were in the log. The terminal sends them again."""
    refused_logins: int = 0
    refused_connections: int = 0
    bytes_passed_over: int = 0
    """Bytes that belonged to no valid frame."""


class Desk(Protocol):
    """What a connection asks of the listener and tells it."""

    counters: ListenerCounters
    paused: bool

    def admit(self, connection: "Connection") -> bool:
        """Take a new connection in; False where there are too many."""
        ...

    def refusal_of(self, vin: str) -> str | None:
        """Why this VIN may not sign in; None: it may."""
        ...

    def knows_platform(self, data: bytes) -> bool:
        """Whether the login of a platform has our name and password."""
        ...

    def signed_in(self, connection: "Connection") -> None:
        """A van or a platform has signed in on this connection, for the first time."""
        ...

    def clock_bytes(self) -> bytes:
        """The present time as the vans' clocks show it."""
        ...

    def deliver(self, connection: "Connection", reports: list[Frame]) -> None:
        """Take reports; they are answered later."""
        ...

    def forget(self, connection: "Connection") -> None:
        """A connection has ended."""
        ...


class Connection(asyncio.Protocol):
    """Reads frames, hands reports to the listener and answers them when told to."""

    def __init__(self, listener: Desk) -> None:
        self.opened_s = self.heard_s = asyncio.get_running_loop().time()
        self.vin: str | None = None
        """The van that has signed in; None before, and on the connection of a platform."""
        self.signed_in = False
        self.host = self.peer = "?"
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self.unanswered = 0
        """Reports that were delivered and not answered yet."""
        self._reader = FrameReader(most_passed_over=MOST_PASSED_OVER)
        self._paused = False
        self._leaving = False
        """A logout was answered; the connection ends once all reports are."""

    # -- called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A peer has connected, and the handshake of TLS is over."""
        self._transport = cast("asyncio.Transport", transport)  # those of uvloop are no subclass
        address = transport.get_extra_info("peername")
        if address:
            self.host, self.peer = address[0], f"{address[0]}:{address[1]}"
        if not self._listener.admit(self):
            self.close()
        elif self._listener.paused:
            # uvloop begins to read after this method, whatever it has asked for.
            asyncio.get_running_loop().call_soon(self.pause)

    def data_received(self, data: bytes) -> None:
        """Work through the frames that are complete."""
        self.heard_s = asyncio.get_running_loop().time()
        reports: list[Frame] = []
        known = self._reader.passed_over
        for frame in self._reader.read(data):
            if self._transport is None:
                break
            self._take(frame, reports)
        self._listener.counters.bytes_passed_over += self._reader.passed_over - known
        if reports:
            self.unanswered += len(reports)
            self._listener.deliver(self, reports)
            if self.unanswered >= MOST_UNANSWERED:
                self._paused = True
                self.pause()
        self._leave_if_answered()
        if self._reader.passed_over > MOST_PASSED_OVER:
            self.close("what it sends is not GB/T 32960")

    def connection_lost(self, error: Exception | None) -> None:
        """The connection has ended."""
        del error
        self._transport = None
        self._listener.forget(self)

    # -- called by the listener

    @property
    def is_open(self) -> bool:
        """Whether answers can be sent. A transport that is closing takes no call any more, in uvloop at least."""
        return self._transport is not None and not self._transport.is_closing()

    def answer(self, reports: list[bytes]) -> None:
        """Send the answers to reports that are in the log."""
        self.unanswered -= len(reports)
        self._send(b"".join(reports))
        self._leave_if_answered()
        if self._paused and self.unanswered < MOST_UNANSWERED // 2:
            self._paused = False
            self.resume()

    def pause(self) -> None:
        """Stop reading."""
        if self._transport is not None and self.is_open:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again, unless too many reports wait for their answers."""
        if self._transport is not None and self.is_open and not self._paused and not self._listener.paused:
            self._transport.resume_reading()

    def close(self, reason: str | None = None) -> None:
        """End the connection; a reason is logged."""
        if self._transport is None:
            return
        if reason is not None:
            log.warning("GB/T 32960, %s: %s; closed", self._name(), reason)
        self._transport.close()
        self._transport = None
        self._listener.forget(self)

    # -- frames

    def _take(self, frame: Frame, reports: list[Frame]) -> None:
        if frame.answer != Answer.COMMAND:
            return  # an answer; the agent asks nothing
        match frame.command:
            case Command.LOGIN:
                self._login(frame)
            case Command.PLATFORM_LOGIN:
                self._platform_login(frame)
            case _ if not self.signed_in:
                self._refuse(frame, Answer.ERROR, "the first frame is no login")
            case Command.REPORT | Command.REISSUED:
                if self.vin in {None, frame.vin}:
                    reports.append(frame)
                else:
                    self._send(answer_to(frame, Answer.ERROR))
                    self.close(f"a report of {frame.vin!r}")
            case Command.HEARTBEAT:
                self._send(answer_to(frame, Answer.SUCCESS, b""))
            case Command.TIME:
                self._send(answer_to(frame, Answer.SUCCESS, self._listener.clock_bytes()))
            case Command.LOGOUT | Command.PLATFORM_LOGOUT:
                self._send(answer_to(frame, Answer.SUCCESS))
                self._leaving = self.vin is not None or frame.command == Command.PLATFORM_LOGOUT
            case _:
                pass  # activation and key exchange of 2025, and what makers define

    def _login(self, frame: Frame) -> None:
        if self.vin not in {None, frame.vin}:
            self._refuse(frame, Answer.ERROR, f"a second login, of {frame.vin!r}")
            return
        refusal = self._listener.refusal_of(frame.vin)
        if refusal is not None:
            unknown = Answer.VIN_UNKNOWN if frame.edition > 2016 else Answer.ERROR
            self._refuse(frame, unknown, refusal, close=not (self.signed_in and self.vin is None))
            return
        if not (self.signed_in and self.vin is None):  # a platform signs in each of its vans
            self.vin = frame.vin
            if not self.signed_in:
                self.signed_in = True
                self._listener.signed_in(self)
        self._send(answer_to(frame, Answer.SUCCESS))

    def _platform_login(self, frame: Frame) -> None:
        if self.vin is not None or not self._listener.knows_platform(frame.data):
            self._refuse(frame, Answer.ERROR, "a platform with a wrong name or password")
            return
        if not self.signed_in:
            self.signed_in = True
            self._listener.signed_in(self)
        self._send(answer_to(frame, Answer.SUCCESS))

    def _refuse(self, frame: Frame, answer: Answer, reason: str, *, close: bool = True) -> None:
        self._listener.counters.refused_logins += 1
        self._send(answer_to(frame, answer))
        if close:
            self.close(reason)

    def _leave_if_answered(self) -> None:
        if self._leaving and not self.unanswered:
            self.close()

    def _send(self, content: bytes) -> None:
        if self._transport is None or not self.is_open:
            return
        self._transport.write(content)
        if self._transport.get_write_buffer_size() > MOST_UNREAD_BYTES:
            self._transport.abort()
            self._transport = None
            self._listener.forget(self)

    def _name(self) -> str:
        return f"{self.vin} at {self.peer}" if self.vin else self.peer
