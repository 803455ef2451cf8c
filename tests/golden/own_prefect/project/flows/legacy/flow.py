# /// script
# requires-python = ">=3.12"
# dependencies = ["conflicting==1.0"]
# ///
from prefect import flow


@flow
def legacy() -> None: ...
