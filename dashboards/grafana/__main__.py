"""`python -m dashboards.grafana` writes the dashboards' JSON; `--check` tells whether what is there is current."""

import argparse
import json
import sys
from pathlib import Path

from dashboards.grafana.boards import BOARDS
from dashboards.grafana.sdk import encoder

FOLDER = Path(__file__).parent / "json"


def rendered() -> dict[str, str]:
    """The files by name, as they have to be."""
    return {
        f"{name}.json": json.dumps(build(), cls=encoder.JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False)
        + "\n"
        for name, build in BOARDS.items()
    }


def differences(folder: Path, files: dict[str, str]) -> list[str]:
    """What has to change in the folder, one sentence each."""
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    missing = [f"{name} is missing" for name in files if name not in present]
    stale = [f"{name} is not current" for name, text in files.items() if present.get(name, text) != text]
    extra = [f"{name} belongs to no dashboard" for name in present if name not in files]
    return [*missing, *stale, *extra]


def main(arguments: list[str] | None = None) -> int:
    """Write, or with `--check` compare; exit status 1 if something differs."""
    parser = argparse.ArgumentParser(prog="python -m dashboards.grafana", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is not current")
    check = parser.parse_args(arguments).check
    files = rendered()
    if check:
        found = differences(FOLDER, files)
        for line in found:
            sys.stderr.write(f"{line}: run python -m dashboards.grafana\n")
        return 1 if found else 0
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.json"):
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
