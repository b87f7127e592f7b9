"""What is documented is what there is: settings, measurements, commands, metrics, targets, README blocks."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from agent.__main__ import COMMANDS
from agent.commands.import_drops import COLUMNS
from agent.config import Settings
from agent.dialects.mapping.field_source import FieldSource
from agent.dialects.mapping.settings import MappingSettings
from agent.dialects.mapping.units import UNITS
from agent.dialects.native import KINDS, REQUIRED
from agent.errors import REASONS
from agent.points.measurements import MEASUREMENTS
from agent.readings import DROP_RANGES, RANGES, DropReading

ROOT = Path(__file__).parent.parent
SECTIONS: dict[str, type[BaseModel]] = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}
"""The tables of the settings file. `[dialects.NAME]` are tables of tables: see docs/dialects-mapping.md."""
README = (ROOT / "README.md").read_text(encoding="utf-8")


def table_after(text: str, heading: str) -> list[list[str]]:
    """The cells of the first Markdown table behind a heading."""
    section = text.split(heading, 1)[1]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    start = section.splitlines().index(lines[0])
    rows = []
    for line in section.splitlines()[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows[2:]


def settings() -> dict[str, str]:
    found = {}
    for section, field in SECTIONS.items():
        for key, entry in field.model_fields.items():
            default = entry.default
            found[f"{section}.{key}"] = "" if default is None or isinstance(default, SecretStr) else str(default)
    return found


def test_every_setting_is_in_the_readme_with_its_default() -> None:
    documented = {row[0].strip("`"): row[1].strip("`") for row in table_after(README, "## Settings")}
    there = settings()
    assert set(documented) == set(there)
    for key, default in there.items():
        shown = documented[key].replace("[", "(").replace("]", ",)").replace('"', "'")
        assert shown in {default, "" if default == "None" else default}, key


def test_every_setting_has_a_description() -> None:
    for section, field in SECTIONS.items():
        for key, entry in field.model_fields.items():
            assert entry.description, f"{section}.{key}"


def test_every_key_of_a_mapping_is_documented_with_its_description() -> None:
    text = (ROOT / "docs" / "dialects-mapping.md").read_text(encoding="utf-8")
    sections: dict[str, type[BaseModel]] = {"## The mapping": MappingSettings, "## A field": FieldSource}
    for heading, section in sections.items():
        described = {key: entry.description for key, entry in section.model_fields.items()}
        assert {row[0].strip("`"): row[1] for row in table_after(text, heading)} == described


def test_every_unit_of_a_mapping_is_documented() -> None:
    text = (ROOT / "docs" / "dialects-mapping.md").read_text(encoding="utf-8")
    documented = {row[0]: set(re.findall("`([^`]+)`", row[1])) for row in table_after(text, "### Units")}
    known: dict[str, set[str]] = {}
    for name, unit in UNITS.items():
        known.setdefault(unit.quantity, set()).add(name)
    assert documented == known


def test_every_measurement_and_field_is_documented() -> None:
    text = (ROOT / "docs" / "measurements.md").read_text(encoding="utf-8")
    for measurement in MEASUREMENTS.values():
        rows = table_after(text, f"## {measurement.name}\n")
        assert [(row[0].strip("`"), row[1], row[2], row[3]) for row in rows] == [
            (field.name, field.type, field.unit, field.description) for field in measurement.fields
        ]


def test_every_measurement_is_in_the_readme() -> None:
    assert {row[0].strip("`") for row in table_after(README, "## Measurements")} == set(MEASUREMENTS)


def test_every_field_of_a_native_payload_is_documented() -> None:
    rows = table_after((ROOT / "docs" / "dialects.md").read_text(encoding="utf-8"), "## native\n")
    assert [row[0].strip("`") for row in rows[:3]] == ["time", "vehicle_id", "seq"]
    fields = {row[0].strip("`"): row for row in rows[3:]}
    for kind, names in KINDS.items():
        assert set(names) == {name for name, row in fields.items() if kind in row[1].split(", ")}, kind
    for name, row in fields.items():
        low, high = RANGES.get(name, (None, None))
        assert row[3] == ("" if low is None else f"{low:g} to {high:g}"), name
        assert (row[4] == "required") == (name in REQUIRED), name


def test_every_field_of_a_drop_is_documented_with_its_range() -> None:
    text = (ROOT / "docs" / "deliveries.md").read_text(encoding="utf-8")
    rows = {row[0].strip("`"): row for row in table_after(text, "### `drop` messages")}
    assert set(rows) == {"time", *DropReading.__struct_fields__} - {"time_ms", "imported"}
    for name, (low, high) in DROP_RANGES.items():
        assert rows[name][2] == f"{low:g} to {high:g}", name
    assert ",".join(COLUMNS) in text


def test_every_dead_letter_reason_is_documented() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for reason in REASONS:
        assert f"`{reason}`" in text, reason


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_every_command_explains_itself(command: str | None) -> None:
    words = [sys.executable, "-m", "agent", *([command] if command else []), "--help"]
    result = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "usage: vanpulse" in result.stdout


def test_every_command_is_in_the_readme() -> None:
    for command in COMMANDS:
        assert f"vanpulse {command}" in README, command


def test_every_target_named_in_the_readme_is_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"make ([a-z]+)", README)) <= targets


def test_every_dependency_has_its_reason() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    blocks = re.findall(r"^(?:dependencies|dev) = \[(.*?)^\]", pyproject, re.MULTILINE | re.DOTALL)
    names = re.findall(r'"([A-Za-z0-9-]+)', "".join(blocks))
    assert len(names) > 10
    for name in names:
        assert f"`{name}`" in text, name


def test_links_between_documents_lead_somewhere() -> None:
    for file in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", file.read_text(encoding="utf-8")):
            assert (file.parent / target).exists(), f"{file.relative_to(ROOT)} links to {target}"


def anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_to_a_heading_lead_to_one() -> None:
    for file in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = file.read_text(encoding="utf-8")
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text):
            there = text if not target else (file.parent / target).read_text(encoding="utf-8")
            assert anchor in anchors(there), f"{file.relative_to(ROOT)} links to {target}#{anchor}"


def test_every_file_named_in_the_glossary_exists() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    files = re.findall(r"`((?:agent|simulator)/[\w./]+)`", text)
    assert len(files) > 30
    for file in files:
        assert (ROOT / file).exists(), file
