"""Secrets without a value of their own."""

from typing import Optional

from prefect import flow
from pydantic import BaseModel, SecretBytes, SecretStr

from seen import seen


class Login(BaseModel):
    user: str = "ada"
    password: Optional[SecretStr] = None


@flow
def secret_values(
    password: SecretStr,
    token: Optional[SecretStr] = None,
    raw: SecretBytes | None = None,
    empty: SecretStr = SecretStr(""),
    login: Login = Login(),
):
    return seen(locals())
