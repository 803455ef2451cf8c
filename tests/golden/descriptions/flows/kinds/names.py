"""Constants of the flows."""

NAME = "Nightly: näme, with \"signs\""
DESCRIPTION = "Given as a constant."
