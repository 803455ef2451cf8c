"""Two flows over the same warehouse data: what is in stock, and what to order.

One folder, one image: both need the same code and files. Standard library only.
"""

import csv
import math
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

from prefect import flow, get_run_logger, task
from pydantic import Field

from shared.outputs import output_folder

FOLDER = Path(__file__).parent
SIGN = {"in": 1, "out": -1}

Warehouse = Literal["all", "north", "south"]


@task
def read_rows(source: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, with the spaces around values removed."""
    with source.open(newline="", encoding="utf-8") as file:
        return [{key: value.strip() for key, value in row.items()} for row in csv.DictReader(file)]


def stock_of(movements: list[dict[str, str]], warehouse: Warehouse) -> Counter[str]:
    """Pieces in stock per product code: what came in less what went out, of one warehouse or of all."""
    stock: Counter[str] = Counter()
    for row in movements:
        if warehouse in ("all", row["warehouse"]):
            stock[row["product"].upper()] += SIGN[row["direction"].lower()] * int(row["pieces"])
    return stock


@task
def write_order(lines: dict[str, int], target: Path) -> None:
    """Write the order as CSV, one line per product."""
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["product", "pieces"])
        writer.writerows(sorted(lines.items()))


@flow
def count_stock(warehouse: Warehouse = "all") -> dict[str, int]:
    """Count the pieces in stock per product.

    Args:
        warehouse: count one warehouse, or all of them together.

    Returns the pieces per product code. A negative count means that a delivery was never booked.
    """
    stock = stock_of(read_rows(FOLDER / "movements.csv"), warehouse)
    for product in sorted(product for product, pieces in stock.items() if pieces < 0):
        get_run_logger().warning("%s: %d pieces in stock, a delivery is missing", product, stock[product])
    return dict(sorted(stock.items()))


@flow
def reorder(
    warehouse: Warehouse = "all",
    safety_factor: Annotated[float, Field(ge=1, le=5)] = 1.0,
    dry_run: bool = True,
) -> dict[str, int]:
    """Order what has fallen below its reorder point, in whole packs.

    Args:
        warehouse: order for one warehouse, or for all of them together.
        safety_factor: multiplies every reorder point, for instance before a holiday.
        dry_run: only compute the order; do not write the file that the supplier fetches.

    Returns the pieces to order per product code.
    """
    stock = count_stock(warehouse)
    lines: dict[str, int] = {}
    for product in read_rows(FOLDER / "products.csv"):
        code, pack = product["product"], int(product["pieces_per_pack"])
        missing = int(product["reorder_point"]) * safety_factor - stock.get(code, 0)
        if missing > 0:
            lines[code] = math.ceil(missing / pack) * pack
    if not dry_run:
        target = output_folder("inventory") / "order.csv"
        write_order(lines, target)
        get_run_logger().info("%d products ordered in %s", len(lines), target)
    return lines


if __name__ == "__main__":
    print(count_stock())
    print(reorder())
