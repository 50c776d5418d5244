"""Samples in, a model folder out."""
