"""Rows of an export as text in, typed rows out: a step of `etl`, in an image of its own.

Written for pandas 2 and pinned to it: `DataFrame.applymap` is gone in pandas 3, which etl needs. So etl calls this
flow as a Docker task, and the rows travel between the two.
"""

import pandas as pd
from prefect import flow

COUNTRY_CODES = {"FRANCE": "FR", "GERMANY": "DE", "SPAIN": "ES", "ITALY": "IT"}


@flow
def clean(raw: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Give every column its type; what cannot be read becomes a missing value.

    Args:
        raw: orders with text in every column.

    Returns the rows, in their order, and the version of pandas that did it.
    """
    # pandas 3: AttributeError, 'DataFrame' object has no attribute 'applymap' (now: `map`).
    text = raw.applymap(lambda value: value.strip() if isinstance(value, str) else value)
    orders = pd.DataFrame(
        {
            "order_id": text["order_id"],
            "ordered_at": pd.to_datetime(text["ordered_at"], format="%Y-%m-%d %H:%M", errors="coerce"),
            "product": text["product"].str.upper(),
            "country": text["country"].str.upper().replace(COUNTRY_CODES),
            "quantity": pd.to_numeric(text["quantity"], errors="coerce"),
            "unit_price": pd.to_numeric(text["unit_price"].str.replace(",", "."), errors="coerce"),
            "status": text["status"].str.lower(),
        }
    )
    return orders, pd.__version__
