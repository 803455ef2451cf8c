"""Shipping in detail: which flow goes when, what is written into Prefect, the target's head, pins of Docker tasks."""
