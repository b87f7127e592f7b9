"""The live page: a process of its own that reads the store and shows the fleet in a browser.

    History ──▶ reading.Reader (one thread) ──▶ fleet_view.FleetView ──▶ pages/ (one subscription per browser)

It has no way to write, so neither a crash nor a slow browser here can reach ingestion.
"""
