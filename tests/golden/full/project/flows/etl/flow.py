import pandas as pd
from prefect import flow
from shared.days import DAYS


@flow
def etl(day: str) -> int:
    return len(pd.DataFrame({"day": [day] * DAYS}))


@flow
def backfill(day: str = "2026-01-01") -> None:
    etl(day)
