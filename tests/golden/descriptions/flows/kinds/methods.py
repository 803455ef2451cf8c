"""Flows that are static methods, decorated in either order."""

from prefect import flow

from seen import seen


class Jobs:
    @staticmethod
    @flow
    def static(number: int = 1):
        return seen(locals())

    @flow
    @staticmethod
    def above(number: int = 2):
        return seen(locals())
