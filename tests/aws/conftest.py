"""The tests of AWS are integration tests: they share what those share."""

from tests.integration.conftest import engine, nothing_is_left_behind, prefect_api, prefect_home

__all__ = ["engine", "nothing_is_left_behind", "prefect_api", "prefect_home"]
