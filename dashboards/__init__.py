"""What people look at: Grafana dashboards as code, and the live page."""
