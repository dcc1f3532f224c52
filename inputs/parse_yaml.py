"""Reads YAML as Boltz does, with PyYAML's safe loader (YAML 1.1), and refuses what could surprise or harm.

The worker hands Boltz the text that was uploaded. So the parser is the same pure-Python one (libyaml differs
in corner cases), and whatever it reads as something else than what stands there is refused.

PyYAML writes an anchor and aliases (&id001, *id001) wherever a program uses one list twice. Each alias counts
as what it stands for: a document has no more values and no more text with them than it may have without.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Protocol

import yaml

from inputs.tree import MAX_PROBLEMS, Diagnostic, Loc, Place, Tree, UnreadableError, shorten
from schemas.reason import reason

MAX_DEPTH = 20
"""Deepest nesting of mappings and lists; the grammar itself needs 7."""

MAX_NODES = 20_000
"""Most keys, values, lists and mappings. Bounds the time: as many take 0.3 s, 1 MiB of one text takes 1 s."""

MAX_LETTERS = 1024 * 1024
"""Most characters of all keys and values: what a file without aliases has room for."""

_TAG_DIRECTIVE = re.compile(r"(?:^|(?<=[\x85\u2028\u2029]))%TAG\b", re.MULTILINE)
"""Gives tags a name of one's own. libyaml compares each with all before it, for 9 s in the largest file."""

_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
_WORDS = frozenset({"tag:yaml.org,2002:null", "tag:yaml.org,2002:bool"})
_NUMBERS = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})
_DECIMAL = re.compile(r"[-+]?(?:(?:0|[1-9]\d{0,17})(?:\.\d{0,17})?|\.\d{1,17})(?:[eE][-+]\d{1,3})?", re.ASCII)
"""Numbers that mean to YAML 1.1 what they mean to a person: 010 is 8 to it, 1:30 is 90, 0x_ an error."""

_SYNTAX = "Check the indentation (spaces, no tabs), and put text with : # [ ] { } & * \\ in 'single quotes'."
_QUOTES = "Write the value out. A text that begins with * & or ! belongs in 'single quotes'."
_COMPOSER = {
    "undefined alias": _QUOTES,
    "duplicate anchor": "Give each anchor a name of its own, or write the values out.",
    "single document": "Put each document into a file of its own: one file is one prediction.",
}
"""Remedies for what PyYAML's composer complains of, by its words."""


class _Mark(Protocol):
    """The part that PyYAML's two classes of marks have in common, counted from 0."""

    line: int
    column: int


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, stopped at tags, and at more than an input may have, before it is built."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose the next node. Raises UnreadableError for one that no input file needs."""
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call] # the stubs leave it out
        _refuse_tag(event)
        self._nodes += 1
        self._depth += 1
        if self._depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise _too_much(event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Builder:
    """Turns composed nodes into plain data; notes the place of each, and what is not plain.

    What an alias stands for is built, and counted, again.
    """

    def __init__(self, loader: _Loader, text: str) -> None:
        self._loader = loader
        self._text = text
        self._nodes = self._letters = 0
        self._sources: dict[yaml.Node, str] = {}
        self.places: dict[Loc, Place] = {}
        self.problems: list[Diagnostic] = []

    def build(self, node: yaml.Node, loc: Loc, mark: yaml.error.Mark) -> object:
        """Convert the node at ``loc``; ``mark`` is where a person looks for it: its key, or its own start.

        Raises UnreadableError where the document would be too large.
        """
        self._count(node, len(loc))
        self.places[loc] = Place(mark.line + 1, mark.column + 1, self._source(node))
        match node:
            case yaml.MappingNode():
                return self._mapping(node, loc)
            case yaml.SequenceNode():
                items = enumerate(node.value)
                return [self.build(item, (*loc, index), item.start_mark) for index, item in items]
            case yaml.ScalarNode():
                return self._scalar(node, loc)
        raise TypeError(f"unknown YAML node {node!r}")

    def _count(self, node: yaml.Node, depth: int) -> None:
        self._nodes += 1
        self._letters += len(node.value) if isinstance(node, yaml.ScalarNode) else 0
        if depth >= MAX_DEPTH or self._nodes > MAX_NODES or self._letters > MAX_LETTERS:
            raise _too_much(node.start_mark)

    def _mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, object]:
        data: dict[str, object] = {}
        for key, value in node.value:
            name = self._key(key, loc)
            if name in data:
                self._refuse("stands there twice", _one_of_two(loc, name), (*loc, name), key)
                continue
            data[name] = self.build(value, (*loc, name), key.start_mark)
        return data

    def _key(self, key: yaml.Node, loc: Loc) -> str:
        self._count(key, len(loc))
        if isinstance(key, yaml.ScalarNode) and key.tag == _TEXT:
            return str(key.value)
        if key.tag == _MERGE:
            self._refuse("merges the keys of another part (<<)", "Write these keys out here.", loc, key)
            return self._source(key)
        what = f"has a key that YAML does not read as text: {self._source(key)}"
        self._refuse(what, "Use the key's plain name, such as `protein:`.", loc, key)
        return self._source(key)

    def _scalar(self, node: yaml.ScalarNode, loc: Loc) -> object:
        if node.tag == _TEXT:
            return node.value
        if node.tag in _WORDS or (node.tag in _NUMBERS and _DECIMAL.fullmatch(node.value)):
            return self._loader.construct_object(node)
        source = self._source(node)
        what = f"is {source}, which YAML reads neither as text nor as that decimal number"
        self._refuse(what, f"Put a text in quotes, '{source}'; write a number in plain decimals.", loc, node)
        return None

    def _refuse(self, what: str, remedy: str, loc: Loc, node: yaml.Node) -> None:
        self.problems.append(Diagnostic(what, remedy, loc, self._source(node), _place(node.start_mark)))
        if len(self.problems) > MAX_PROBLEMS:
            raise UnreadableError(*self.problems)

    def _source(self, node: yaml.Node) -> str:
        if node not in self._sources:  # an alias's is as long as it likes, comments and all
            text = self._text[node.start_mark.index : node.end_mark.index]
            self._sources[node] = shorten(text.strip())
        return self._sources[node]


def read_yaml(text: str) -> Tree:
    """Parse one document: unique text keys; values are text, numbers, true/false, null, lists and mappings.

    Raises UnreadableError, with line and column, for what is not YAML and for what is refused.
    """
    _refuse_tag_directive(text)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            raise UnreadableError(Diagnostic("holds no document", "Begin with `sequences:`."))
    except yaml.MarkedYAMLError as error:
        raise UnreadableError(_syntax(error)) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # ValueError, OverflowError: the scanner turns "\UFFFFFFFF" into a character without a look.
        raise UnreadableError(Diagnostic(f"is not valid YAML ({shorten(reason(error))})", _SYNTAX)) from None
    builder = _Builder(loader, text)
    tree = Tree(builder.build(node, (), node.start_mark), builder.places)
    if builder.problems:
        raise UnreadableError(*builder.problems)
    return tree


def residues_in(text: str) -> int:
    """Count the letters of all values of a key ``sequence``, up to the first error, with libyaml.

    Count none where a directive has ``read_yaml`` refuse the file. It takes a tenth of the time of
    ``read_yaml``, which then reports the error.
    """
    residues, under_key = 0, False
    if _TAG_DIRECTIVE.search(text):
        return 0
    with suppress(yaml.YAMLError, ValueError):
        for event in _events(text):
            value = event.value if isinstance(event, yaml.ScalarEvent) else ""
            residues += len(value) if under_key else 0
            under_key = value == "sequence" and not under_key
    return residues


def _events(text: str) -> Iterator[yaml.Event]:
    """Yield libyaml's events, as deep and as many as an input may have: to go deeper takes it long."""
    depth = 0
    for event in islice(yaml.parse(text, Loader=yaml.CSafeLoader), 3 * MAX_NODES):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            return
        yield event


def _place(mark: _Mark | None) -> Place | None:
    return Place(mark.line + 1, mark.column + 1) if mark else None


def _one_of_two(loc: Loc, name: str) -> str:
    """Return the remedy for a key that stands in the mapping at ``loc`` twice: often it is two items."""
    match loc:
        case ():
            return f"Put the items of both below one `{name}:`."
        case (str(section),):
            each = f"Write `- ` before each `{name}:` of {section}, and indent its keys below it"
            return f"{each}: {section} is a list."
        case (_, int()):
            return f"Write `- ` before the second `{name}:` if it begins another item, else keep one."
    return "Keep one of the two."


def _refuse_tag_directive(text: str) -> None:
    if found := _TAG_DIRECTIVE.search(text):
        place = Place(text.count("\n", 0, found.start()) + 1, 1)
        what, remedy = "has a %TAG directive, which is refused", "Remove the line: an input needs no tags."
        raise UnreadableError(Diagnostic(what, remedy, place=place))


def _refuse_tag(event: yaml.Event) -> None:
    if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
        found = f"tag {event.tag}"
    elif isinstance(event, yaml.ScalarEvent) and event.anchor is not None and not event.value:
        found = f"anchor &{event.anchor} of nothing"
    else:
        return
    what = f"uses the {shorten(found)}, which is refused"
    raise UnreadableError(Diagnostic(what, _QUOTES, place=_place(event.start_mark)))


def _too_much(mark: _Mark | None) -> UnreadableError:
    what = f"is nested deeper than {MAX_DEPTH} levels or holds more than {MAX_NODES:,} values or "
    what += f"{MAX_LETTERS:,} letters, with each alias written out"
    remedy = "Write a plain Boltz-2 input; split a large batch into one file each."
    return UnreadableError(Diagnostic(what, remedy, place=_place(mark)))


def _syntax(error: yaml.MarkedYAMLError) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    whole = isinstance(error, yaml.composer.ComposerError)
    said = f"{error.context or ''} {error.problem or ''}".strip() if whole else error.problem or error.context
    why = shorten(said or "unknown reason", 200)
    remedy = next((remedy for words, remedy in _COMPOSER.items() if words in why), _SYNTAX)
    return Diagnostic(f"is not valid YAML ({why})", remedy, place=_place(mark))
