"""What SQLite's write-ahead log holds, read from the file itself (https://sqlite.org/fileformat.html#the_write_ahead_log)."""

from pathlib import Path
from struct import Struct

HEADER = Struct(">IIIIIIII")
FRAME = Struct(">IIIIII")


def largest_transaction_bytes(path: Path) -> int:
    """Bytes of the largest transaction in the log, frames of an earlier round of the log left out."""
    content = path.read_bytes()
    _, _, page_bytes, _, *salts, _, _ = HEADER.unpack_from(content)
    largest = frames = 0
    for start in range(HEADER.size, len(content) - FRAME.size - page_bytes + 1, FRAME.size + page_bytes):
        _, pages_after_commit, *frame_salts, _, _ = FRAME.unpack_from(content, start)
        if frame_salts != salts:
            break
        frames += 1
        largest = max(largest, frames)
        if pages_after_commit:
            frames = 0
    return largest * page_bytes
