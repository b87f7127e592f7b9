"""From rows to InfluxDB line protocol."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.json import encode

from agent.fast.compiled import compile_function, variables

LinesOf = Callable[[Sequence[tuple[Any, ...]], Mapping[Any, str]], list[str]]
"""From rows, and the escaped tags of each series (`,name=text,name=text`), to lines."""


def line_writer(measurement: str, fields: Sequence[tuple[str, str]], escape: Callable[[str], str]) -> LinesOf:
    """As `plain_line_writer`, with each field spelt out and all numbers encoded at once: 1.0 instead of 2.4 µs a line.

    A message becomes two to four lines, so that this saves at least 20 % of its whole way.
    """
    names = variables(len(fields))
    numbers = [name for name, (_, kind) in zip(names, fields, strict=True) if kind != "text"]
    texts = "".join(_field_expression(name, field, kind) for name, (field, kind) in zip(names, fields, strict=True))
    source = (
        "def compiled(rows, tags):\n"
        "    numbers = []\n"
        "    extend = numbers.extend\n"
        f"    for _, _, {', '.join(names)} in rows:\n"
        f"        extend(({', '.join(numbers)},))\n"
        "    encoded = iter(encode(numbers).decode()[1:-1].split(','))\n"
        "    lines = []\n"
        "    append = lines.append\n"
        f"    numbers_of_rows = zip({', '.join(['encoded'] * len(numbers))})\n"
        f"    for (series, time_ms, {', '.join(names)}), ({', '.join(numbers)},) in zip(rows, numbers_of_rows):\n"
        f'        fields = f"""{texts}"""\n'
        "        if fields:\n"
        f'            append(f"{measurement}{{tags[series]}} {{fields[:-1]}} {{time_ms}}")\n'
        "    return lines\n"
    )
    return compile_function(source, {"encode": encode, "escape": escape})


def _field_expression(name: str, field: str, kind: str) -> str:
    """The field with a comma behind it, or nothing: the inside of an f-string."""
    if kind == "text":
        return f"{{'' if {name} is None else f'{field}=\"{{escape({name})}}\",'}}"
    suffix = "i" if kind == "integer" else ""
    return f"{{'' if {name} == 'null' else f'{field}={{{name}}}{suffix},'}}"


def plain_line_writer(measurement: str, fields: Sequence[tuple[str, str]], escape: Callable[[str], str]) -> LinesOf:
    """A function that writes the rows of a measurement, whose fields are (name, type), as lines.

    JSON and line protocol spell numbers and booleans alike. What JSON writes as null (None, NaN, infinity) is absent. A
    row without any field gives no line.
    """

    def field_text(name: str, kind: str, value: Any) -> str | None:
        if kind == "text":
            return None if value is None else f'{name}="{escape(value)}"'
        number = encode(value).decode()
        if number == "null":
            return None
        return f"{name}={number}i" if kind == "integer" else f"{name}={number}"

    def write(rows: Sequence[tuple[Any, ...]], tags: Mapping[Any, str]) -> list[str]:
        lines = []
        for series, time_ms, *values in rows:
            texts = [field_text(name, kind, value) for (name, kind), value in zip(fields, values, strict=True)]
            present = [text for text in texts if text is not None]
            if present:
                lines.append(f"{measurement}{tags[series]} {','.join(present)} {time_ms}")
        return lines

    return write
