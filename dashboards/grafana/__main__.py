"""`python -m dashboards.grafana` writes the dashboards and alert rules; `--check` tells whether they are current."""

import argparse
import json
import sys
from pathlib import Path

from dashboards.grafana import alert_rules
from dashboards.grafana.boards import BOARDS
from dashboards.grafana.sdk import encoder

FOLDER = Path(__file__).parent
RULES = "provisioning/alerting/rules.yaml"


def rendered() -> dict[str, str]:
    """The generated files, by path below this folder."""
    files = {
        f"json/{name}.json": json.dumps(build(), cls=encoder.JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False)
        + "\n"
        for name, build in BOARDS.items()
    }
    return files | {RULES: alert_rules.provisioning()}


def differences(folder: Path, files: dict[str, str]) -> list[str]:
    """The differences between the folder and the generated files, one sentence each."""
    found = []
    for name, text in files.items():
        path = folder / name
        if not path.exists():
            found.append(f"{name} is missing")
        elif path.read_text(encoding="utf-8") != text:
            found.append(f"{name} is not current")
    return found + [f"{name} belongs to no dashboard" for name in strangers(folder, files)]


def strangers(folder: Path, files: dict[str, str]) -> list[str]:
    """Files that are no longer generated."""
    present = sorted(path.relative_to(folder).as_posix() for path in folder.glob("json/*.json"))
    return [name for name in present if name not in files]


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or compare them with `--check`. The exit status is 1 if something differs."""
    parser = argparse.ArgumentParser(prog="python -m dashboards.grafana", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is not current")
    check = parser.parse_args(arguments).check
    files = rendered()
    if check:
        found = differences(FOLDER, files)
        for line in found:
            sys.stderr.write(f"{line}: run python -m dashboards.grafana\n")
        return 1 if found else 0
    for name in strangers(FOLDER, files):
        (FOLDER / name).unlink()
    for name, text in files.items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
