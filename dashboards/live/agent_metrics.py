"""The agent's own `/metrics`, for what the store does not hold: rejected by reason, the rates of this second."""

import http.client
import time
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

TIMEOUT_S: Final = 1.5

Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Metrics:
    """Samples by name and labels."""

    read_s: float
    samples: dict[str, dict[Labels, float]] = field(default_factory=dict)

    def value(self, name: str) -> float | None:
        """The sum over all labels; None when the agent does not have it."""
        values = self.samples.get(name)
        return sum(values.values()) if values else None

    def by_label(self, name: str, label: str) -> dict[str, float]:
        """The values by one label."""
        sums: dict[str, float] = {}
        for labels, value in self.samples.get(name, {}).items():
            key = dict(labels).get(label, "")
            sums[key] = sums.get(key, 0.0) + value
        return sums


class MetricsClient:
    """Asks one agent, `host:port`."""

    def __init__(self, listen: str) -> None:
        self.listen = listen

    def read(self) -> Metrics:
        """Raises `OSError` or `ValueError` when there is no agent, or not ours."""
        host, _, port = self.listen.rpartition(":")
        connection = http.client.HTTPConnection(_reachable(host.strip("[]")), int(port), timeout=TIMEOUT_S)
        try:
            connection.request("GET", "/metrics")
            response = connection.getresponse()
            if response.status != http.client.OK:
                raise ValueError(f"/metrics answered {response.status}")
            text = response.read().decode()
        except http.client.HTTPException as error:
            raise ValueError(f"no HTTP at {self.listen}: {error!r}") from error
        finally:
            connection.close()
        metrics = Metrics(read_s=time.monotonic())
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = tuple(sorted(sample.labels.items()))
                metrics.samples.setdefault(sample.name, {})[labels] = sample.value
        return metrics


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # a listening address, not ours
