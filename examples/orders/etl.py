"""The tasks of `orders.wf`: plain Python functions."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import wfc

DATA = Path(__file__).parent / "data"
UNRELIABLE = ("lyon", "porto")
RATES = {"EUR": 1.0, "USD": 1.08, "GBP": 0.85}


@dataclass(frozen=True)
class Order:
    item: str
    amount: int
    price: float


@dataclass(frozen=True)
class ShopTotal:
    shop: str
    orders: int
    revenue: float


@dataclass(frozen=True)
class Summary:
    day: str
    shops: int
    orders: int
    revenue: float
    best_shop: str


def find_files(day: str) -> list[str]:
    files = sorted(str(path) for path in DATA.glob(f"{day}_*.csv"))
    if not files:
        raise FileNotFoundError(f"no orders of {day}")
    return files


def parse(shop: str, lines: Iterable[str]) -> dict[str, list[Order]]:
    rows = csv.DictReader(lines)
    return {shop: [Order(r["item"], int(r["amount"]), float(r["price"])) for r in rows]}


def read_orders(file: str) -> dict[str, list[Order]]:
    shop = Path(file).stem.rpartition("_")[2]
    if shop in UNRELIABLE and wfc.attempt() == 1:
        raise ConnectionError(f"the share lost {shop}: try again")
    with open(file, newline="") as lines:
        return parse(shop, lines)


def total(found: dict[str, list[Order]], currency: str) -> ShopTotal:
    ((shop, orders),) = found.items()
    revenue = sum(order.amount * order.price for order in orders) * RATES[currency]
    return ShopTotal(shop, len(orders), round(revenue, 2))


def summarize(totals: list[ShopTotal], *, day: str) -> Summary:
    best = max(totals, key=lambda shop: shop.revenue)
    return Summary(
        day=day,
        shops=len(totals),
        orders=sum(shop.orders for shop in totals),
        revenue=round(sum(shop.revenue for shop in totals), 2),
        best_shop=best.shop,
    )
