"""The method's command lines: files in, files out; the computing is in the package."""
