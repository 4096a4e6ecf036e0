"""Chance that is the same on every machine."""

import math
import random


class Dice:
    """The one source of chance."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def chance(self, probability: float) -> bool:
        return self._random() < probability

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self._random()

    def index(self, size: int) -> int:
        return int(self._random() * size)

    def waiting(self, mean: float) -> float:
        return -math.log(1.0 - self._random()) * mean

    def count(self, expected: float) -> int:
        return int(expected) + self.chance(expected % 1)

    def shuffled(self, size: int) -> list[int]:
        return sorted(range(size), key=[self._random() for _ in range(size)].__getitem__)


class Deck:
    """Deals every card once before any comes again."""

    def __init__(self, size: int, dice: Dice) -> None:
        self._size, self._dice = size, dice
        self._cards: list[int] = []

    def deal(self) -> int:
        self._cards = self._cards or self._dice.shuffled(self._size)
        return self._cards.pop()
