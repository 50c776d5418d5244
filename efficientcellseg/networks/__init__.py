"""Networks, their weights on disk, and what runs them."""
