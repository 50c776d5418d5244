"""A user's own files: from images to labels, a table of cells and a picture; and to training."""
