"""Fingerprints: one short name for whatever a value is made of, so that comparing is comparing two strings."""

from __future__ import annotations

import hashlib
import json

from flowyard.values import Json

KEY_LENGTH = 32  # hexadecimal digits: 128 bits
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str).encode


def fingerprint(value: Json) -> str:
    """SHA-256 of a JSON value in its canonical form (sorted keys, no spaces)."""
    return sha256(_canonical(value).encode())


def sha256(content: bytes) -> str:
    """SHA-256 of bytes, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
