"""Compares results of the agent with true values."""
