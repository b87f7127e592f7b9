"""What an agent knows of the group that divides partitions among its members."""

from collections.abc import Awaitable, Callable
from typing import Protocol


class GroupMember(Protocol):
    """Tells which partitions are ours; `agent.kafka.membership.Membership` is one."""

    joined: bool
    """Whether the group has told us our partitions, which may be none."""
    problem: str | None
    """Why Kafka is thought to be away; None while it answers."""

    async def run(self) -> None:
        """Be a member until closed."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...


class Joining(Protocol):
    """Makes the membership. The group waits for `release`."""

    def __call__(
        self,
        *,
        on_assigned: Callable[[list[int]], None],
        release: Callable[[list[int]], Awaitable[None]],
        on_lost: Callable[[list[int]], None],
    ) -> GroupMember:
        """A member that has not joined yet."""
        ...
