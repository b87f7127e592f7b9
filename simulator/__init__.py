"""A fleet of simulated vans, and recorded drives, as MQTT messages."""
