"""``python -m searchidx``."""

from searchidx.cli import program

program()
