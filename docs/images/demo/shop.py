"""The tasks of nightly.wf."""

import time

import wfc


def fetch(shop: int, day: str) -> list[int]:
    time.sleep(0.01)
    if shop % 31 == 7 and wfc.attempt() == 1:
        raise ConnectionError(f"shop {shop} does not answer")
    if day < "2026":
        raise ValueError(f"shop {shop} had no orders on {day}")
    return [shop, len(day)]


def clean(found: list[int]) -> int:
    time.sleep(0.03)
    return sum(found)


def total(orders: list[int]) -> int:
    return sum(orders)


def publish(day: str, total: int, answer: object) -> str:
    return f"{day}: {total}, {answer}"
