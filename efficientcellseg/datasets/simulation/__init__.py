"""Simulated microscopy with exact references."""
