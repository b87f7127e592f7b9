"""The parts of the Grafana Foundation SDK that the dashboards use.

Importing the classic dashboard model gives a warning that a newer one exists. The classic model is used because every
Grafana from 10.4 on reads it from files. The warning is ignored here and nowhere else.
"""

import json
import warnings
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.cog import builder, encoder, plugins, runtime, variants
    from grafana_foundation_sdk.models import common
    from grafana_foundation_sdk.models import dashboard as model

plugins.register_default_plugins()


def plain(value: object) -> Any:
    """The value as JSON."""
    return json.loads(json.dumps(value, cls=encoder.JSONEncoder))


def typed_options(panel_type: str, options: dict[str, Any]) -> object:
    """The options in the SDK's type for that panel. Raises `ValueError` for an option that the type does not have."""
    built = runtime.panelcfg_options_from_json(options, panel_type)
    _compare(options, plain(built), panel_type)
    return built


def typed_custom(panel_type: str, custom: Any) -> object | None:
    """The same for the part of the field configuration that depends on the panel; None if there is no such part."""
    config = runtime.panelcfg_config(panel_type)
    if config is None or config.field_config_from_json_hook is None:
        return None
    built: object = config.field_config_from_json_hook(custom or {})
    _compare(custom or {}, plain(built), f"{panel_type} custom")
    return built


def _compare(wanted: Any, kept: Any, path: str) -> None:
    if not isinstance(wanted, dict):
        return
    for key, value in wanted.items():
        if key not in kept:
            raise ValueError(f"{path}.{key} is no option")
        _compare(value, kept[key], f"{path}.{key}")


__all__ = ["builder", "common", "encoder", "model", "plain", "typed_custom", "typed_options", "variants"]
