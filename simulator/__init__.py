"""Publishes a fleet of simulated vans, or recorded drives, as MQTT messages."""
