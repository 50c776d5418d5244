"""Reads any microscopy file, frame by frame: what its axes are comes from its metadata."""
