"""Frees on the disk of this machine what ships of a project left there and nothing needs any more."""
