"""Parts that are made when they are first asked for, and then shared by whichever threads ask."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class made_once(Generic[T]):  # noqa: N801  used as a decorator, as cached_property is
    """Turns a method into a part of its object: what the method returns the first time, for all threads.

    ``functools.cached_property`` calls it once for each thread that finds nothing made. Here they wait for
    the object's ``lock``, which has to be one that its holder may take again, as parts need others. Where the
    method raises, the next one who asks has it tried again.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, _owner: type | None = None) -> T:  # noqa: ANN401  whoever has a lock
        made: dict[str, T] = vars(instance)  # looked into before this is called: a made part needs no lock
        with instance.lock:
            if self._name not in made:
                made[self._name] = self._make(instance)
        return made[self._name]
