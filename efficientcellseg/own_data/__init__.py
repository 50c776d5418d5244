"""A user's own files: from any image to labels, a table of cells, a picture; and to training."""
