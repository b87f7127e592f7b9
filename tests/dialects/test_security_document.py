"""What docs/security.md says is shown by a test is shown by a test that exists."""

import ast
import re
from pathlib import Path

from tests.cases import Cases

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))
INTERFACES = ("The broker", "Payloads", "Settings", "Health port", "Live page", "Journal and store")


def test_every_named_test_exists() -> None:
    with Cases() as cases:
        for file, name in NAMED:
            with cases.case(f"{file}::{name}"):
                tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
                functions = (
                    node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                )
                assert name in {function.name for function in functions}


def test_every_interface_has_its_section_and_every_test_its_full_name() -> None:
    for interface in INTERFACES:
        assert f"\n## {interface}\n" in TEXT
    assert len(NAMED) > 20
    assert len(re.findall(r"`tests/[^`]*`", TEXT)) == len(re.findall(r"`tests/[\w/]+\.py::\w+`", TEXT))
