"""Steps of Grafana's own processing of query results, applied before a panel shows them."""

from dashboards.grafana.sdk import model


def transformation(name: str, **options: object) -> model.DataTransformerConfig:
    """One step of Grafana's processing of query results."""
    return model.DataTransformerConfig(id_val=name, options=options)


def merged() -> model.DataTransformerConfig:
    """Join the results over their common columns."""
    return transformation("merge")


def without_time() -> model.DataTransformerConfig:
    """Drop the time columns. They differ between results, so that rows would not be joined."""
    return transformation("filterFieldsByName", include={"pattern": "^(?!Time$).*"})


def calculated(name: str, left: str, operator: str, right: str) -> model.DataTransformerConfig:
    """A new field from two fields, or a field and a number."""
    return transformation(
        "calculateField", mode="binary", alias=name, binary={"left": left, "operator": operator, "right": right}
    )


def floored(name: str, field: str) -> model.DataTransformerConfig:
    """A new field: the largest integer not above the value."""
    return transformation("calculateField", mode="unary", alias=name, unary={"operator": "floor", "fieldName": field})


def binned(name: str, field: str, size: float) -> list[model.DataTransformerConfig]:
    """A new field: the lower edge of the bin of the value."""
    return [
        calculated(f"{name} part", field, "/", f"{size:g}"),
        floored(f"{name} index", f"{name} part"),
        calculated(name, f"{name} index", "*", f"{size:g}"),
    ]


def known(*fields: str) -> model.DataTransformerConfig:
    """Keep the rows in which all of these fields have a value. Arithmetic would treat a missing value as 0."""
    filters = [{"fieldName": field, "config": {"id": "isNotNull", "options": {}}} for field in fields]
    return transformation("filterByValue", filters=filters, type="include", match="all")


def positive(field: str) -> model.DataTransformerConfig:
    """Keep the rows in which the field is above 0, so that it can be a divisor."""
    filters = [{"fieldName": field, "config": {"id": "greater", "options": {"value": 0}}}]
    return transformation("filterByValue", filters=filters, type="include", match="all")


def grouped(by: str, **aggregations: str) -> model.DataTransformerConfig:
    """One row per value of `by`; each field becomes `<field> (<aggregation>)`."""
    fields: dict[str, object] = {by: {"operation": "groupby", "aggregations": []}}
    fields |= {
        field: {"operation": "aggregate", "aggregations": [aggregation]} for field, aggregation in aggregations.items()
    }
    return transformation("groupBy", fields=fields)


def sorted_by(field: str) -> model.DataTransformerConfig:
    """Rows in rising order of a field."""
    return transformation("sortBy", fields={}, sort=[{"field": field, "desc": False}])
