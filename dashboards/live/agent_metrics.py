"""Reads `/metrics` of the agent, for values that are not in the store: rejections by reason, present rates."""

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
        """The sum over all labels; None if the agent does not have this metric."""
        values = self.samples.get(name)
        return sum(values.values()) if values else None

    def by_label(self, name: str, label: str) -> dict[str, float]:
        """The values, summed by one label."""
        sums: dict[str, float] = {}
        for labels, value in self.samples.get(name, {}).items():
            key = dict(labels).get(label, "")
            sums[key] = sums.get(key, 0.0) + value
        return sums


class MetricsClient:
    """Requests the metrics of one agent at `host:port`."""

    def __init__(self, listen: str) -> None:
        self.listen = listen

    def read(self) -> Metrics:
        """Read the metrics. Raises `OSError` or `ValueError` if no agent answers there."""
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
