"""Types of Docker tasks: stub files by which editors complete their parameters and type checkers refuse wrong calls."""
