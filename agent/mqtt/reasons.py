"""MQTT reason codes, network errors and TLS errors as text that tells the operator what to do."""

import errno
import socket
import ssl
from typing import Final

CONNACK: Final[dict[int, str]] = {
    0x80: "unspecified error",
    0x81: "it could not read our CONNECT",
    0x82: "it sees a protocol error in our CONNECT",
    0x83: "it does not accept this connection (implementation specific)",
    0x84: "it does not speak this version of MQTT: set mqtt.protocol",
    0x85: "it does not allow this client id: set mqtt.client_id",
    0x86: "wrong user name or password: set mqtt.username and mqtt.password",
    0x87: "not authorized: check mqtt.username, mqtt.password and the broker's access list",
    0x88: "it is not available now",
    0x89: "it is busy",
    0x8A: "this client is banned: ask the broker's operator",
    0x8C: "it wants another authentication method than user name and password",
    0x95: "our CONNECT is larger than it allows",
    0x97: "a quota is exceeded",
    0x9C: "use another server: set mqtt.url",
    0x9D: "the server has moved: set mqtt.url",
    0x9F: "connections come too fast",
}

DISCONNECT: Final[dict[int, str]] = {
    0x00: "normal disconnection",
    0x80: "unspecified error",
    0x81: "it received a malformed packet",
    0x82: "protocol error",
    0x83: "implementation specific error",
    0x87: "not authorized",
    0x89: "it is busy",
    0x8B: "it is shutting down",
    0x8D: "it heard nothing from us within the keep-alive time",
    0x8E: "another client connected with our client id: give each agent its own mqtt.client_id",
    0x93: "receive maximum exceeded",
    0x94: "invalid topic alias",
    0x95: "packet too large",
    0x96: "message rate too high",
    0x97: "a quota is exceeded",
    0x98: "closed by an administrator",
    0x99: "payload format invalid",
    0x9A: "retained messages are not supported",
    0x9B: "quality of service not supported",
    0x9C: "use another server: set mqtt.url",
    0x9D: "the server has moved: set mqtt.url",
    0x9F: "connections come too fast",
    0xA0: "the connection has lasted as long as allowed",
}

SESSION_TAKEN_OVER: Final = 0x8E
REFUSED: Final = 0x80
"""Reason codes from here on are refusals."""

SUBACK: Final[dict[int, str]] = {
    0x80: "unspecified error",
    0x83: "implementation specific error",
    0x87: "not authorized: allow this client to read the topic in the broker's access list",
    0x8F: "topic filter invalid: check mqtt.prefix",
    0x91: "packet id in use",
    0x97: "a quota is exceeded",
    0x9E: "shared subscriptions are not supported",
    0xA1: "subscription ids are not supported",
    0xA2: "wildcard subscriptions are not supported: this broker cannot be used",
}

_CERTIFICATE: Final[dict[int, str]] = {
    9: "the broker's certificate is not valid yet: check this machine's clock",
    10: "the broker's certificate has expired: renew it at the broker",
    18: "the broker's certificate is self-signed and not trusted: set mqtt.ca_file to it",
    19: "the broker's certificate comes from an unknown authority: set mqtt.ca_file",
    20: "the broker's certificate comes from an unknown authority: set mqtt.ca_file",
    21: "the broker's certificate comes from an unknown authority: set mqtt.ca_file",
    62: "the broker's certificate is for another host name: use that name in mqtt.url",
    64: "the broker's certificate is for another address: use its name in mqtt.url",
}

_ALERT: Final[tuple[tuple[str, str], ...]] = (
    ("CERTIFICATE_REQUIRED", "the broker demands a client certificate: set mqtt.cert_file and mqtt.key_file"),
    ("ALERT_HANDSHAKE_FAILURE", "the broker refused the TLS handshake: it may demand a client certificate"),
    ("ALERT_UNKNOWN_CA", "the broker does not know the authority of our certificate: check mqtt.cert_file"),
    ("ALERT_CERTIFICATE_EXPIRED", "our client certificate has expired: renew mqtt.cert_file"),
    ("ALERT_CERTIFICATE_REVOKED", "our client certificate has been revoked: renew mqtt.cert_file"),
    ("ALERT_CERTIFICATE_UNKNOWN", "the broker does not accept our certificate: check mqtt.cert_file"),
    ("ALERT_BAD_CERTIFICATE", "the broker does not accept our certificate: check mqtt.cert_file"),
    ("WRONG_VERSION_NUMBER", "the broker does not speak TLS at this port: use mqtt:// or its TLS port"),
    ("RECORD_LAYER_FAILURE", "the broker does not speak TLS at this port: use mqtt:// or its TLS port"),
    ("UNSUPPORTED_PROTOCOL", "the broker speaks only TLS versions that are no longer safe"),
    ("PROTOCOL_VERSION", "the broker and we have no TLS version in common"),
)


def reason_text(table: dict[int, str], value: int, reason: str | None = None) -> str:
    """The text for a reason code, with the broker's own text `reason` if it sent one."""
    text = table.get(value, f"reason code 0x{value:02X}")
    return f"{text} (it says {reason!r})" if reason else text


def _all_refused(error: OSError) -> bool:
    """Whether every address of the host name refused; asyncio joins the errors of all addresses into one text."""
    text = str(error)
    return text.startswith("Multiple exceptions") and text.count("Errno") == text.count(f"Errno {errno.ECONNREFUSED}]")


def connect_error(error: BaseException) -> str:
    """Why there is no connection, from the exception of the socket or the TLS layer."""
    match error:
        case ssl.SSLCertVerificationError():
            fallback = f"the broker's certificate is not trusted: {error.verify_message}"
            return _CERTIFICATE.get(error.verify_code, fallback)
        case ssl.SSLError():
            reason = error.reason or str(error)
            return next((text for sign, text in _ALERT if sign in reason), f"TLS failed: {reason}")
        case socket.gaierror():
            return "its host name cannot be resolved: check mqtt.url"
        case OSError() if isinstance(error, ConnectionRefusedError) or _all_refused(error):
            return "nobody listens there: is the broker running?"
        case ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError():
            return "the connection was reset"
        case TimeoutError():
            return "no answer in time"
        case OSError(errno=errno.EHOSTUNREACH | errno.ENETUNREACH):
            return "there is no route to it"
        case OSError(strerror=str(text)):
            return text
        case _:
            return str(error) or type(error).__name__
