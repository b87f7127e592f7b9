"""Frames of GB/T 32960.3, editions 2016 and 2025: the envelope of every packet on the connection.

    start 2 | command 1 | answer flag 1 | VIN 17 | encryption 1 | length 2 | data unit | check 1

The start is `##` in the edition of 2016 and `$$` in that of 2025. Integers are big-endian. The check is the exclusive
or of all bytes from the command to the end of the data unit. Layout and codes: GB/T 32960.3-2016, clause 6, and for
both editions the parser of emqx/emqx, `apps/emqx_gateway_gbt32960`.
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

HEADER_BYTES: Final = 24
VIN_BYTES: Final = 17
TIME_BYTES: Final = 6
MAX_DATA_BYTES: Final = 16_384
"""A longer data unit is not taken. A report of a battery of 400 cells has about 1,000 bytes."""
STARTS: Final = {b"##": 2016, b"$$": 2025}
_START_OF: Final = {edition: start for start, edition in STARTS.items()}

NOT_ENCRYPTED: Final = 1
ENCRYPTIONS: Final = {2: "RSA", 3: "AES-128", 4: "SM2", 5: "SM4"}


class Command(IntEnum):
    """What a frame is for."""

    LOGIN = 0x01
    REPORT = 0x02
    REISSUED = 0x03
    LOGOUT = 0x04
    PLATFORM_LOGIN = 0x05
    PLATFORM_LOGOUT = 0x06
    HEARTBEAT = 0x07
    TIME = 0x08


class Answer(IntEnum):
    """The answer flag of a frame."""

    SUCCESS = 0x01
    ERROR = 0x02
    VIN_UNKNOWN = 0x04
    """Edition of 2025 only, like the two below."""
    INVALID_STRUCTURE = 0x06
    NOT_DECRYPTED = 0x07
    COMMAND = 0xFE
    """The frame is no answer."""


_ANSWERS: Final = frozenset((*range(0x01, 0x08), 0xFE))
_ENCRYPTION_CODES: Final = frozenset((NOT_ENCRYPTED, *ENCRYPTIONS, 0xFE, 0xFF))


class Frame(NamedTuple):
    """One frame. `raw` is the frame as it was received."""

    edition: int
    command: int
    answer: int
    vin: str
    encryption: int
    data: bytes
    raw: bytes


class FrameReader:
    """Cuts a stream of bytes into frames.

    What is no frame is passed over up to the next start. The start may also occur inside a frame, so only the check
    decides. At most one frame is kept while it is incomplete. Nothing more is read once more than `most_passed_over`
    bytes were passed over: each of them may seem to begin a long frame, whose check has to be computed.
    """

    def __init__(self, *, most_passed_over: int) -> None:
        self.passed_over = 0
        """Bytes that belonged to no frame."""
        self._most_passed_over = most_passed_over
        self._kept = b""

    def read(self, received: bytes) -> Iterator[Frame]:
        """The frames that are complete with these bytes."""
        kept = self._kept + received
        at = 0
        while self.passed_over <= self._most_passed_over:
            start = _next_start(kept, at)
            self.passed_over += start - at
            at = start
            if len(kept) - at < HEADER_BYTES:
                break
            length = _length_at(kept, at)
            end = at + HEADER_BYTES + (length or 0) + 1
            if length is not None and len(kept) < end:
                break
            frame = None if length is None else parse_frame(kept[at:end])
            if frame is None:
                self.passed_over += 1
                at += 1
            else:
                at = end
                yield frame
        self._kept = kept[at:]


def _next_start(kept: bytes, at: int) -> int:
    """Where the next start is; the end, or the last byte if that could begin one, where there is none."""
    found = [position for start in STARTS if (position := kept.find(start, at)) >= 0]
    if found:
        return min(found)
    return max(at, len(kept) - 1) if kept[-1:] in {b"#", b"$"} else len(kept)


def _length_at(kept: bytes, at: int) -> int | None:
    """The length of the data unit that the head at this place states; None if this cannot be the head of a frame.

    A head that cannot be one must not be waited for: the bytes that it lacks may be the next frame.
    """
    if kept[at + 3] not in _ANSWERS or kept[at + 21] not in _ENCRYPTION_CODES:
        return None
    name = kept[at + 4 : at + 21].rstrip(b"\0 ")  # empty in the login of a platform
    if name and not name.isalnum():
        return None
    length = int.from_bytes(kept[at + 22 : at + HEADER_BYTES])
    return length if length <= MAX_DATA_BYTES else None


def check_byte(content: bytes) -> int:
    """The check over the bytes from the command to the end of the data unit: the exclusive or of all of them."""
    bits = int.from_bytes(content)
    size = 1
    while size < len(content):
        size *= 2
    while size > 1:  # both halves onto each other: fast, since everybody may send bytes that have to be checked
        size //= 2
        bits = bits >> 8 * size ^ bits & (1 << 8 * size) - 1
    return bits


def parse_frame(raw: bytes) -> Frame | None:
    """The frame of these bytes; None if they are not one whole frame with a right check."""
    if len(raw) <= HEADER_BYTES or raw[:2] not in STARTS or len(raw) != HEADER_BYTES + int.from_bytes(raw[22:24]) + 1:
        return None
    if check_byte(raw[2:-1]) != raw[-1]:
        return None
    vin = raw[4:21].decode("ascii", "replace").strip("\0 ")
    return Frame(STARTS[raw[:2]], raw[2], raw[3], vin, raw[21], raw[HEADER_BYTES:-1], raw)


def make_frame(
    edition: int, command: int, answer: int, vin: str, data: bytes, *, encryption: int = NOT_ENCRYPTED
) -> bytes:
    """The bytes of a frame. `data` has at most 65,535 bytes."""
    name = vin.encode("ascii", "replace").ljust(VIN_BYTES, b"\0")[:VIN_BYTES]
    content = bytes((command, answer)) + name + bytes((encryption,)) + len(data).to_bytes(2) + data
    return _START_OF[edition] + content + bytes((check_byte(content),))


def answer_to(frame: Frame, answer: Answer, data: bytes | None = None) -> bytes:
    """The answer to a frame: the same head with another flag, and of the data unit the time alone.

    GB/T 32960.3-2016, 6.3.2: the server changes the flag, keeps the time of the message and removes the rest.
    """
    kept = frame.data[:TIME_BYTES] if data is None else data
    return make_frame(frame.edition, frame.command, answer, frame.vin, kept)
