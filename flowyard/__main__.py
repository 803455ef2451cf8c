"""`python -m flowyard` is the command `flowyard`; for callers that know the interpreter and not the PATH."""

from flowyard.entry import program

program()
