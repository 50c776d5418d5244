"""The method's command lines: files in, files out. The package does the computing."""
