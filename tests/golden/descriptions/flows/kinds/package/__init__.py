"""A package beside the flows."""

UNIT = "kg"
