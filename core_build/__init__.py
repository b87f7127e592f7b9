"""Builds the compiled core: `codec.py` writes the codec of the state, `build.py` compiles the modules."""
