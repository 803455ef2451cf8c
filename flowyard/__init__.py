"""Flowyard turns every folder under flows/ into its own image and the Prefect deployments that run it.

Nothing is imported here: the same package name is importable inside every image, where only the runtime
part is installed, and importing it must cost nothing.
"""
