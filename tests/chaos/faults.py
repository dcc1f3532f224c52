"""Faults that a test arms, and that a process of the product meets at a named step.

An armed fault is a file in the folder that ``CHAOS_FAULTS`` names. Whoever comes to its step first takes it
by removing the file, writes down that it did, and only then suffers: so each happens once, however often the
step is taken again after a restart. Nothing but the standard library is imported here, since the wrappers
have to be there before the product is.
"""

import contextlib
import json
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import wraps
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Literal, Self

FOLDER = "CHAOS_FAULTS"
Moment = Literal["before", "during", "after"]
Action = Literal["kill", "pause", "fail", "delay"]


class InjectedError(ConnectionError):
    """What a test had go wrong."""


@dataclass(frozen=True)
class Fault:
    """What happens, and when: the ``nth`` call of ``function`` by ``process`` that is about ``about``.

    ``function`` is ``module:qualified.name``; ``process`` (a function's name, or ``worker``) and ``about``
    (what the call's arguments tell of) are regular expressions. ``during`` strikes
    ``seconds`` after the call began; ``delay`` lasts so long.
    """

    function: str
    moment: Moment
    process: str
    about: str = ""
    nth: int = 1
    action: Action = "kill"
    seconds: float = 0.0


@dataclass(frozen=True)
class Victim:
    """The process that met a fault; ``holder`` names it in leases if it is a worker, and no child of one."""

    pid: int
    holder: str

    @classmethod
    def here(cls) -> Self:
        """Describe this process as Cloud Run's variables do."""
        names = ("EXECUTION", "TASK_INDEX", "TASK_ATTEMPT")
        holder = "/".join(os.environ.get(f"CLOUD_RUN_{name}", "0") for name in names)
        return cls(os.getpid(), "" if multiprocessing.parent_process() else holder)


class Faults:
    """The folder of a stack's faults."""

    def __init__(self, folder: Path) -> None:
        self._armed, self._met = folder / "armed", folder / "met"
        for each in (self._armed, self._met):
            each.mkdir(parents=True, exist_ok=True)

    def arm(self, fault: Fault) -> str:
        """Have a fault happen once; return its name."""
        name = uuid.uuid4().hex
        _write(self._armed / name, asdict(fault))
        return name

    def disarm(self) -> None:
        """Take back what nobody met."""
        for path in self._armed.iterdir():
            path.unlink(missing_ok=True)

    def victim(self, name: str) -> Victim | None:
        """Return who met a fault, or None as long as nobody has."""
        path = self._met / name
        return Victim(**json.loads(path.read_text())) if path.exists() else None

    def armed(self) -> Mapping[str, Fault]:
        """Return what is armed, by name."""
        found = {}
        for path in self._armed.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another process took it
                found[path.name] = Fault(**json.loads(path.read_text()))
        return found

    def take(self, name: str) -> bool:
        """Take a fault upon this process, and write that down; tell whether it was still there."""
        try:
            (self._armed / name).unlink()
        except FileNotFoundError:
            return False
        _write(self._met / name, asdict(Victim.here()))
        return True


def install(functions: Sequence[str]) -> None:
    """Wrap each ``module:qualified.name`` as soon as its module is imported, so that it can meet faults."""
    if folder := os.environ.get(FOLDER):
        sys.meta_path.insert(0, _Finder(Watch(Faults(Path(folder))), functions))


def process() -> str:
    """Name what this process is: a function by its target, a worker, or a stand-in."""
    other = "worker" if "CLOUD_RUN_EXECUTION" in os.environ else "stand-in"
    return os.environ.get("FUNCTION_TARGET", other)


def described(arguments: Sequence[object]) -> str:
    """Say what a call is about: a job by upload, last event, state and outbox; anything else as it prints."""
    return " ".join(_described(argument) for argument in arguments)


def _described(thing: object) -> str:
    thing = getattr(thing, "job", thing)  # a job in hand
    history = getattr(thing, "history", None)
    if not history:
        return repr(thing)
    pending = ",".join(getattr(thing, "pending", ()))
    return f"{thing.source.uri} {history[-1].event} {thing.state} pending={pending};"  # type: ignore[attr-defined]


class Watch:
    """Looks at every call of a wrapped function in this process."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._calls: Counter[str] = Counter()

    def wrapped(self, function: str, inner: Callable[..., object]) -> Callable[..., object]:
        @wraps(inner)
        def outer(*args: object, **kwargs: object) -> object:
            self._meet(function, ("before", "during"), args)
            result = inner(*args, **kwargs)
            self._meet(function, ("after",), args)
            return result

        return outer

    def _meet(self, function: str, moments: Sequence[str], arguments: Sequence[object]) -> None:
        for name, fault in self._faults.armed().items():
            if fault.function != function or fault.moment not in moments:
                continue
            if re.fullmatch(fault.process, process()) and re.search(fault.about, described(arguments)):
                self._calls[name] += 1
                if self._calls[name] == fault.nth:
                    self._suffer(name, fault)

    def _suffer(self, name: str, fault: Fault) -> None:
        if fault.moment == "during":
            threading.Thread(target=self._suffer_soon, args=(name, fault), daemon=True).start()
        elif self._faults.take(name):
            _act(fault)

    def _suffer_soon(self, name: str, fault: Fault) -> None:
        time.sleep(fault.seconds)
        if self._faults.take(name):
            _act(fault)


def _act(fault: Fault) -> None:
    match fault.action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "pause":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "fail":
            raise InjectedError(f"a test had {fault.function} fail {fault.moment} its work")
        case "delay":
            time.sleep(fault.seconds)


class _Finder(MetaPathFinder):
    """Finds modules as ever, and has their named functions wrapped when they are executed."""

    def __init__(self, watch: Watch, functions: Sequence[str]) -> None:
        self._watch = watch
        self._modules: dict[str, list[str]] = {}
        for function in functions:
            module, _, name = function.partition(":")
            self._modules.setdefault(module, []).append(name)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._modules:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Wrapping(spec.loader, self._watch, self._modules[fullname])
        return spec


class _Wrapping(Loader):
    def __init__(self, inner: Loader, watch: Watch, names: Sequence[str]) -> None:
        self._inner, self._watch, self._names = inner, watch, names

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._inner.exec_module(module)
        for name in self._names:
            owner, attribute, inner = found(module, name)
            setattr(owner, attribute, self._watch.wrapped(f"{module.__name__}:{name}", inner))


def found(module: ModuleType, name: str) -> tuple[object, str, Callable[..., object]]:
    """Find a function by its qualified name; return what holds it, too. Raises AttributeError."""
    owner: object = module
    *holders, attribute = name.split(".")
    for holder in holders:
        owner = getattr(owner, holder)
    return owner, attribute, getattr(owner, attribute)


def _write(path: Path, content: Mapping[str, object]) -> None:
    """Write a file that nobody sees half."""
    draft = path.parent.parent / f"{path.name}.{os.getpid()}"
    draft.write_text(json.dumps(content))
    draft.rename(path)
