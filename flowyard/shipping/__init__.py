"""Shipping in detail: what a ship has to do with the target's head and with the pins of Docker tasks."""
