"""The judge: the Cell Tracking Challenge's format, measures, validation and tables."""
