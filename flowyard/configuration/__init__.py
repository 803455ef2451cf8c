"""Loading in detail: the tables of the files, how they are parsed, checked and completed."""
