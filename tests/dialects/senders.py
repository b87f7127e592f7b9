"""Speaking to a dialect in a test: messages in, readings out."""

from agent.dialects.base import Dialect
from agent.errors import Rejected
from agent.messages import Message
from agent.readings import Reading


def ask(
    dialect: Dialect, topic: str, payload: str | bytes, received_ms: int, *, retained: bool = False
) -> list[Reading | Rejected]:
    """What one message gives; a rejection of the whole message as the only item."""
    message = Message(topic, payload.encode() if isinstance(payload, str) else payload, retained=retained)
    try:
        return list(dialect.decode(message, received_ms))
    except Rejected as rejected:
        return [rejected]


def reason(items: list[Reading | Rejected]) -> str | None:
    """Why the whole message was rejected."""
    return items[0].reason if len(items) == 1 and isinstance(items[0], Rejected) else None
