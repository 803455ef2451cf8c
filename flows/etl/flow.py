"""Orders of a shop: from the CSV export that ships with the image to a SQLite table.

Needs pandas 3 (column expressions with `pd.col`), which the flow `clean` cannot live with: that one is called as a
Docker task, in its own image, and its rows come back.
"""

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from flowyard import docker_task
from prefect import flow, get_run_logger, task
from pydantic import Field

from shared.days import resolve_day
from shared.outputs import output_folder

ORDERS = Path(__file__).parent / "orders.csv"
clean = docker_task("clean")  # flows/clean: typed columns


class BadRows(StrEnum):
    """What to do with rows that cannot be repaired."""

    DROP = "drop"
    FAIL = "fail"


@task
def extract(source: Path) -> pd.DataFrame:
    """The export as it is: every column is text, nothing is interpreted yet."""
    return pd.read_csv(source, dtype="str")


@task
def deduplicate(orders: pd.DataFrame) -> pd.DataFrame:
    """One row per order: the export repeats an order when it changes, so the last row is the valid one."""
    return orders.drop_duplicates("order_id", keep="last")


@task
def validate(orders: pd.DataFrame, bad_rows: BadRows) -> pd.DataFrame:
    """The rows that are complete and have a positive quantity, with their `amount`."""
    good = orders.notna().all(axis="columns") & (orders["quantity"] > 0)
    if bad_rows is BadRows.FAIL and not good.all():
        examples = ", ".join(orders.loc[~good, "order_id"].fillna("(no order id)").head(5))
        raise ValueError(f"{(~good).sum()} orders cannot be loaded, the first are: {examples}")
    whole = orders.loc[good].astype({"quantity": "int64"})
    return whole.assign(amount=pd.col("quantity") * pd.col("unit_price"))


@task
def load(orders: pd.DataFrame, day: date, database: Path) -> int:
    """Replace the rows of `day` in the table, so that running a day twice changes nothing; the row count."""
    rows = orders.assign(day=day.isoformat())
    with closing(sqlite3.connect(database)) as connection, connection:
        rows.head(0).to_sql("orders", connection, if_exists="append", index=False)
        connection.execute("DELETE FROM orders WHERE day = ?", (day.isoformat(),))
        rows.to_sql("orders", connection, if_exists="append", index=False)
        (count,) = connection.execute(
            "SELECT count(*) FROM orders WHERE day = ?", (day.isoformat(),)
        ).fetchone()
    return int(count)


def matches(orders: pd.DataFrame, country: str, include_cancelled: bool) -> pd.Series:
    """Which of the orders are of this country (or of any) and count, one bool a row."""
    wanted = pd.Series(True, index=orders.index)
    if country != "all":
        wanted &= orders["country"] == country
    if not include_cancelled:
        wanted &= orders["status"] != "cancelled"
    return wanted


@flow
def etl(
    day: str = "latest",
    country: Literal["all", "DE", "ES", "FR", "IT"] = "all",
    bad_rows: BadRows = BadRows.DROP,
    include_cancelled: bool = False,
    min_quantity: Annotated[int, Field(ge=1)] = 1,
) -> dict[str, int | float | str]:
    """Clean one day of orders and load it into SQLite.

    Reads the shop's export, repairs what can be repaired (spelling of countries, decimal commas, repeated
    orders) and replaces that day's rows in the `orders` table.

    Args:
        day: `latest`, `today`, `yesterday` or a date as YYYY-MM-DD.
        country: load the orders of this country only.
        bad_rows: leave out the rows that cannot be repaired, or fail the run because of them.
        include_cancelled: load cancelled orders too.
        min_quantity: leave out smaller orders.

    Returns what was read, repeated, rejected and loaded (rows), and the revenue loaded (EUR).
    """
    raw = extract(ORDERS)
    orders, cleaned_with = clean(raw)
    unique = deduplicate(orders)
    valid = validate(unique, bad_rows)
    chosen = resolve_day(day, today=datetime.now(UTC).date(), latest=valid["ordered_at"].max().date())
    wanted = (valid["ordered_at"].dt.date == chosen) & (valid["quantity"] >= min_quantity)
    wanted &= matches(valid, country, include_cancelled)
    loaded = load(valid[wanted], chosen, output_folder("etl") / "orders.sqlite")
    get_run_logger().info("%d orders of %s loaded", loaded, chosen)
    return {
        "day": chosen.isoformat(),
        "read": len(raw),
        "repeated": len(raw) - len(unique),
        "rejected": len(unique) - len(valid),
        "loaded": loaded,
        "revenue": round(float(valid.loc[wanted, "amount"].sum()), 2),
        "pandas": pd.__version__,
        "cleaned-with-pandas": cleaned_with,
    }


if __name__ == "__main__":
    print(etl())
