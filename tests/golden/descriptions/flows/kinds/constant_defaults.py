"""Defaults that are constants and enum members of a third party's module."""

import httpx
import uvicorn.config
from prefect import flow
from prefect.client.schemas.objects import StateType

from seen import seen


@flow
def constant_defaults(
    status: httpx.codes = httpx.codes.NOT_FOUND,
    state: StateType = StateType.COMPLETED,
    agent: str = httpx.__title__,
    levels: dict[str, int] = uvicorn.config.LOG_LEVELS,
    code: int = httpx.codes.OK,
):
    return seen(locals())
