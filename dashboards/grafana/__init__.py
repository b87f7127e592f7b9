"""The Grafana dashboards as code: `python -m dashboards.grafana` writes what is committed under `json/`."""
