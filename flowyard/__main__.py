"""`python -m flowyard` is the command `flowyard`; for callers that know the interpreter and not the PATH."""

import sys

from flowyard.cli import main

sys.exit(main())
