"""Code that several flows use.

Standard library only: this folder is copied into every image, whatever that image has installed.
"""
