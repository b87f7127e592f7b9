"""vanpulse: the agent that turns what electric vans say into energy, trips and emissions.

The names below are for programs that embed the agent's processing; `docs/embedding.md` shows how. Each is imported when
it is first used, so `import agent` and every command pay only for what they need (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from agent.compiled_core import ignore_other_sources

if TYPE_CHECKING:
    from agent.messages import Batch, Message, MessageKind
    from agent.shard.opening import open_shard
    from agent.shard.output import Point, ShardOutput
    from agent.shard.shard import Shard

__all__ = ["Batch", "Message", "MessageKind", "Point", "Shard", "ShardOutput", "open_shard"]

_MODULES = {
    "Batch": "agent.messages",
    "Message": "agent.messages",
    "MessageKind": "agent.messages",
    "Point": "agent.shard.output",
    "Shard": "agent.shard.shard",
    "ShardOutput": "agent.shard.output",
    "open_shard": "agent.shard.opening",
}


ignore_other_sources()


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module 'agent' has no attribute {name!r}")
    return getattr(import_module(module), name)
