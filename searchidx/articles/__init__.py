"""From an address to passages."""
