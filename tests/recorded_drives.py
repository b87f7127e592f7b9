"""The recorded drives that some tests need: they are too large for the repository and lie beside the checkout."""

from pathlib import Path

import pytest

PLACE = "../shared/data"
DATA = Path(__file__).parents[2] / "shared" / "data"


def missing(*names: str) -> str:
    """Why a test of these folders or files in `DATA` is skipped; empty when all of them are there."""
    absent = [name for name in names if not (DATA / name).exists()]
    return f"recorded drives not found: {', '.join(f'{PLACE}/{name}' for name in absent)}" if absent else ""


def needs_recorded_drives(*names: str) -> pytest.MarkDecorator:
    """Skip what it marks when one of these folders or files in `DATA` is missing."""
    reason = missing(*names)
    return pytest.mark.skipif(bool(reason), reason=reason)
