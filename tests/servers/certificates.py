"""Certificates for tests, made by the openssl command."""

import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.servers.programs import find_program

DAY_S = 86_400


class Certificate(NamedTuple):
    """A certificate and its key, both PEM."""

    cert_file: Path
    key_file: Path


class Authority:
    """A certificate authority that lives as long as its directory."""

    def __init__(self, directory: Path, name: str = "vanpulse test authority") -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.cert_file = directory / "ca.pem"
        self._key_file = directory / "ca.key"
        self._serial = 0
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-keyout", str(self._key_file), "-out", str(self.cert_file)),
        )

    def issue(self, name: str, *, hosts: tuple[str, ...] = (), expired: bool = False) -> Certificate:
        """A certificate for a server (with `hosts`, such as "IP:127.0.0.1" or "DNS:localhost") or a client."""
        self._serial += 1
        stem = self._directory / f"{self._serial}"
        key_file, request, cert_file, extensions = (stem.with_suffix(end) for end in (".key", ".csr", ".pem", ".ext"))
        _openssl(
            *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", f"/CN={name}", "-keyout", str(key_file), "-out", str(request)),
        )
        lines = ["basicConstraints=CA:FALSE", f"subjectAltName={','.join(hosts)}" if hosts else ""]
        extensions.write_text("\n".join(lines))
        _openssl(
            *("x509", "-req", "-in", str(request), "-CA", str(self.cert_file), "-CAkey", str(self._key_file)),
            *("-set_serial", str(self._serial), "-days", "-1" if expired else "1"),
            *("-extfile", str(extensions), "-out", str(cert_file)),
        )
        return Certificate(cert_file, key_file)


def _openssl(*arguments: str) -> None:
    program = find_program("openssl")
    if program is None:
        raise RuntimeError("openssl is not installed: apt-get install openssl")
    subprocess.run([program, *arguments], check=True, capture_output=True)
