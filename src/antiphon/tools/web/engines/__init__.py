"""Search engines: one file each, and one line in `registry`."""
