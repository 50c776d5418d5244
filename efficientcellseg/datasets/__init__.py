"""Data sets: reading, downloading, simulating."""
