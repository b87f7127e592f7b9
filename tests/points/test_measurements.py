"""Measurements use the tags, types and identifiers of the closed lists."""

from typing import get_args

import pytest

from agent.points.measurements import MEASUREMENTS, TAGS, FieldType


@pytest.mark.parametrize("measurement", MEASUREMENTS.values(), ids=lambda each: each.name)
def test_names_and_types_are_from_the_closed_lists(measurement):
    assert set(measurement.tags) <= set(TAGS)
    assert len(set(measurement.field_names)) == len(measurement.fields)
    assert {field.type for field in measurement.fields} <= set(get_args(FieldType))
    assert all(name.isidentifier() for name in measurement.field_names)
