"""The live page: a separate process that reads the store and shows the fleet in a browser.

    History ──▶ reading.Reader (one thread) ──▶ fleet_view.FleetView ──▶ pages/ (one subscription per browser)

It only reads, so that neither a crash nor a slow browser can affect the agent.
"""
