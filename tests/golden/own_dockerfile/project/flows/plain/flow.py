from prefect import flow


@flow
def plain() -> None: ...
