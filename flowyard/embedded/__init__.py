"""The services of the local target: a container registry, a Prefect server and a docker worker.

Nothing is imported here, because every plan reads `state` and must not pay for the rest.
"""
