"""vanpulse: the agent that turns what electric vans say into energy, trips and emissions."""
