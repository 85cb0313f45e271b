"""The task functions of the benchmarks: as little as possible."""


def nothing(i: int) -> int:
    return i


def step(k: int) -> int:
    return k + 1


def total(results: list[int]) -> int:
    return sum(results)
