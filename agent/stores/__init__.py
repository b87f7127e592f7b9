"""Where points go and where they are read again."""
