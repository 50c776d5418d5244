"""Masks over time become tracks: which objects of a sequence are one cell, and its daughters."""
