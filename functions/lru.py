"""Ids that this instance has dealt with lately: a repeated event costs nothing."""

import threading


class Recent:
    """The newest keys that were added, at most ``size`` of them. Threads may share it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._keys: dict[str, None] = {}  # in the order in which they came
        self._lock = threading.Lock()

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def add(self, key: str) -> None:
        """Remember a key, and forget the oldest beyond ``size``."""
        with self._lock:
            self._keys[key] = None
            if len(self._keys) > self._size:
                del self._keys[next(iter(self._keys))]
