"""Mappings: dialects that are described in the settings, `[dialects.NAME]`, and not programmed.

`settings.py` checks a description at the start. `sources.py` says what becomes of one field, `route.py` of one message.
`dialect.py` is the `Dialect`; `joining.py` is the one that joins several messages into one reading.
"""
