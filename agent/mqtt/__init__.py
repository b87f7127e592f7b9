"""Receiving from an MQTT broker, and acknowledging what is safe."""
