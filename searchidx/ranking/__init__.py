"""From candidates to hits: pure functions over rankings."""
