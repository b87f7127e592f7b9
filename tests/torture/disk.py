"""A small disk that can be filled on command: a tmpfs, which needs the right to mount."""

import contextlib
import os
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

SIZE_BYTES: Final = 48 << 20


def may_mount() -> bool:
    """Whether this process may mount a tmpfs."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


class SmallDisk:
    """Mounted inside the `with` block. `fill_soon` fills it with a file for a while."""

    size = SIZE_BYTES

    def __init__(self, path: Path) -> None:
        self.path = path
        self._hog = path / "somebody-elses-log"
        self._thread: threading.Thread | None = None
        self._left = threading.Event()

    def fill_soon(self, *, after_s: float, for_s: float) -> None:
        """In the background: wait, fill, wait, make room again."""

        def work() -> None:
            self._left.wait(after_s)
            self.fill()
            self._left.wait(for_s)
            self.free()

        self._thread = threading.Thread(target=work, name="disk hog")
        self._thread.start()

    def fill(self) -> None:
        """Fill the disk."""
        with contextlib.suppress(OSError), self._hog.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        """Remove the file that fills it."""
        self._hog.unlink(missing_ok=True)

    def wait_free(self) -> None:
        """Return once the disk is no longer filled."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True)
        options = f"size={self.size}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.path)], check=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._left.set()
        self.wait_free()
        subprocess.run(["umount", "-l", str(self.path)], check=True)
