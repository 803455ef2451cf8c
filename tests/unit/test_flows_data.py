"""The data of the example flows keeps the faults that the flows are there to show.

Read with the standard library: the flows' own dependencies are in their images, not here.
"""

from __future__ import annotations

import csv
from collections import Counter
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

FLOWS = Path(__file__).parents[2] / "flows"


def rows(name: str) -> list[dict[str, str]]:
    with (FLOWS / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def is_usable(order: dict[str, str]) -> bool:
    try:
        datetime.strptime(order["ordered_at"], "%Y-%m-%d %H:%M")
        float(order["unit_price"].replace(",", "."))
        quantity = int(order["quantity"])
    except ValueError:
        return False
    return quantity > 0 and all(
        order[column].strip() for column in ("order_id", "country", "product", "status")
    )


def test_orders_hold_the_numbers_the_etl_flow_reports() -> None:
    orders = rows("etl/orders.csv")
    last = {order["order_id"]: order for order in orders}
    usable = [order for order in last.values() if is_usable(order)]
    latest = max(order["ordered_at"][:10] for order in usable)
    loaded = [
        order
        for order in usable
        if order["ordered_at"].startswith(latest) and order["status"].strip().lower() != "cancelled"
    ]
    assert (len(orders), len(orders) - len(last), len(last) - len(usable)) == (202, 17, 16)
    assert (latest, len(loaded)) == ("2026-03-06", 29)


def test_every_movement_is_of_a_known_product_and_warehouse() -> None:
    movements = rows("inventory/movements.csv")
    products = {row["product"] for row in rows("inventory/products.csv")}
    assert {row["product"].strip().upper() for row in movements} == products
    assert {row["warehouse"] for row in movements} == {"north", "south"}
    assert {row["direction"].lower() for row in movements} == {"in", "out"}


def test_meter_readings_have_gaps_that_have_to_be_filled() -> None:
    readings = rows("legacy_report/readings.csv")
    gaps = Counter(row["site"] for row in readings if not row["counter_kwh"])
    assert gaps == {"bakery": 3, "depot": 7, "workshop": 7}


def test_the_feed_announces_one_release_twice() -> None:
    atom = "{http://www.w3.org/2005/Atom}"
    feed = ElementTree.parse(FLOWS / "news/feed.xml")
    ids = Counter(entry.findtext(f"{atom}id") for entry in feed.iter(f"{atom}entry"))
    assert [name for name, count in ids.items() if count > 1] == ["tag:weather.example.org,2026:3.3.2"]
    assert ids.total() == 6
