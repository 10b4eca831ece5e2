"""``python -m searchidx``."""

import sys

from searchidx.cli import main

sys.exit(main())
