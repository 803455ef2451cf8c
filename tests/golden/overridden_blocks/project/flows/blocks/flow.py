from prefect import flow


@flow
def blocks() -> None: ...
