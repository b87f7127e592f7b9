"""Code that is written for speed. Each module has the plain version beside the fast one, which is tested against it."""
