"""Locks, of bases by digest and of dependencies with hashes: which an image needs, and how `lock` writes them."""
