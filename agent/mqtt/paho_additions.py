"""Two additions to paho-mqtt, so that the reason of a failed connection reaches the operator."""

import contextlib
import logging
import ssl
from typing import Any


class TlsSocket(ssl.SSLSocket):
    """Closes itself when the handshake fails, which paho leaves to the garbage collector; keeps the broker's reason."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002  as the base class has it
        """Agree on keys, or close."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise

    def send(self, data: Any, flags: int = 0) -> int:
        """Write; if the broker has closed, raise its TLS alert instead of a plain end of the connection.

        In TLS 1.3 the client's handshake completes before the broker has checked the client certificate. The broker's
        refusal is read only later, and a write may fail before that. So the refusal is read here.
        """
        try:
            return super().send(data, flags)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError:
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLEOFError, ConnectionError):
                self.recv(1)
            raise


class ErrorCatcher(logging.Handler):
    """Keeps the exception that paho logs and then replaces by a return code."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.last: BaseException | None = None
        self.logger = logging.Logger("paho", logging.ERROR)
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Take the last argument if it is an exception."""
        argument = record.args[-1] if isinstance(record.args, tuple) and record.args else None
        if isinstance(argument, BaseException):
            self.last = argument
