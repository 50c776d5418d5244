"""Data sets onto the disk."""
