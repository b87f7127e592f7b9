"""What the agent computes, held against what is known to be true."""
