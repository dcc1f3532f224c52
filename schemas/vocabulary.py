"""Enumerations that later releases extend. Decision 010 says why."""

from enum import StrEnum
from typing import Self


class Vocabulary(StrEnum):
    """Words that a later release may extend: one that is unknown here is read, and kept as it is."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        word = str.__new__(cls, value)
        word._name_ = word._value_ = value
        return word

    @property
    def known(self) -> bool:
        """Whether this release knows the word."""
        return self in type(self).__members__.values()
