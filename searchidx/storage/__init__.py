"""The truth and its two arrangements."""
