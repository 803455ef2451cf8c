from prefect import flow


@flow
def whole() -> None: ...
