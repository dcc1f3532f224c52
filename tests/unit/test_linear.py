"""Twice the file is at most twice the work and the memory, whatever it has more of, and of whatever else.

Work is counted in lines, each time that one is run, which no other program of the machine changes.
"""

import gc
import itertools
import json
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Protocol, TypeVar, get_args

import pytest
from pydantic import BaseModel

from inputs.fields import Reading
from inputs.grammar import BoltzInput
from inputs.msa import check_beginning
from inputs.parse_fasta import read_fasta
from inputs.parse_yaml import read_yaml
from inputs.read import InvalidInputError, read_tree
from inputs.smiles import read_smiles
from inputs.tree import MAX_PROBLEMS, Tree, UnreadableError

T = TypeVar("T")
Document = dict[str, list[Any]]
Grow = Callable[[Document, int], None]
SLACK = 1.03
AT_LEAST = 4.0
"""Bytes for a byte that nobody minds: what is not even looked at has a length."""

NOISE = 4096
"""Bytes by which two looks at memory may differ: the interpreter keeps some. Few problems take as much."""


class Steps:
    """Counts what the interpreter does: lines, rounds of a loop in one line, calls, and returns from them."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _frame: FrameType, _event: str, _: object) -> "Steps":
        self.count += 1
        return self


def steps(work: Callable[[T], object], given: T) -> int:
    """Count the steps of something that may refuse what it is given."""
    counted, before = Steps(), sys.gettrace()
    with uncollected():
        sys.settrace(counted)
        try:
            with suppress(InvalidInputError, UnreadableError):
                work(given)
        finally:
            sys.settrace(before)
    return counted.count


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the garbage collector away: it comes when it likes, and calls whatever anybody has it call."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.fixture(scope="module", autouse=True)
def _what_is_there_before_is_not_gone_through_again_and_again() -> None:
    """Keep what tests before these have left out of what the garbage collector goes through at each look."""
    gc.freeze()


def peak(work: Callable[[T], object], given: T) -> int:
    """Measure the most memory that it takes besides what was there; other threads can but add to it."""
    return min(_peak(work, given) for _ in range(3))


def _peak(work: Callable[[T], object], given: T) -> int:
    gc.collect()
    with uncollected():
        tracemalloc.start()
        try:
            with suppress(InvalidInputError, UnreadableError):
                work(given)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


# What there may be more of. Each grows a document by itself, and beside any other.

SIZE = 24
CHAINS = [f"{number:x}" for number in range(0x10000, 0x10000 + 10 * SIZE)]


def base() -> Document:
    protein = {"id": ["A"], "sequence": "M" * 3 * SIZE, "msa": "a.a3m", "modifications": []}
    ligand = {"id": ["L"], "ccd": ["ATP"]}
    return {"sequences": [{"protein": protein}, {"ligand": ligand}], "constraints": [], "templates": []}


def residues(document: Document, size: int) -> None:
    document["sequences"][0]["protein"]["sequence"] += "M" * 10 * size


def copies(document: Document, size: int) -> None:
    document["sequences"][0]["protein"]["id"] += [f"B{chain}"[:5] for chain in CHAINS[:size]]


def twins(document: Document, size: int) -> None:
    for chain in CHAINS[:size]:
        document["sequences"].append({"protein": {"id": chain, "sequence": "X", "msa": "a.a3m"}})


def equal_chains(document: Document, size: int) -> None:
    first = document["sequences"][0]["protein"]
    document["sequences"] += [{"protein": {**first, "id": chain}} for chain in CHAINS[:size]]


def other_chains(document: Document, size: int) -> None:
    for number, chain in enumerate(CHAINS[:size]):
        document["sequences"].append({"dna": {"id": chain, "sequence": "ACGT"[number % 4]}})


def modified(document: Document, size: int) -> None:
    changes = document["sequences"][0]["protein"]["modifications"]
    changes += [{"position": at, "ccd": "SEP"} for at in range(1, size + 1)]


def ligands(document: Document, size: int) -> None:
    document["sequences"] += [{"ligand": {"id": chain, "smiles": "CCO"}} for chain in CHAINS[:size]]


def glycan(document: Document, size: int) -> None:
    document["sequences"][1]["ligand"]["ccd"] += ["NAG"] * size


def bonds(document: Document, size: int) -> None:
    ends = [{"atom1": ["A", at, "N"], "atom2": ["L", 1, "PG"]} for at in range(1, size + 1)]
    document["constraints"] += [{"bond": each} for each in ends]


def contacts(document: Document, size: int) -> None:
    found = [{"token1": ["A", at], "token2": ["L", "PG"]} for at in range(1, size + 1)]
    document["constraints"] += [{"contact": each} for each in found]


def pocket(document: Document, size: int) -> None:
    near = [["A", at] for at in range(1, size + 1)]
    document["constraints"].append({"pocket": {"binder": "L", "contacts": near}})


def templates(document: Document, size: int) -> None:
    document["templates"] += [{"cif": f"{number}.cif"} for number in range(size)]


def template_chains(document: Document, size: int) -> None:
    ids = {"chain_id": ["A"] * size, "template_id": ["A1"] * size}
    document["templates"].append({"pdb": "a.pdb", **ids})


def wrong_codes(document: Document, size: int) -> None:
    document["sequences"][1]["ligand"]["ccd"] += ["QZQZ9"] * size


def wrong_chains(document: Document, size: int) -> None:
    document["constraints"] += [{"contact": {"token1": ["Q", 1], "token2": ["A", 1]}}] * size


def wrong_atoms(document: Document, size: int) -> None:
    document["constraints"] += [{"bond": {"atom1": ["A", 1, "QQ"], "atom2": ["L", 1, "PG"]}}] * size


def wrong_types(document: Document, size: int) -> None:
    document["sequences"] += [{"protein": {"id": [1], "sequence": 1, "msa": "../a"}}] * size


def wrong_ids(document: Document, size: int) -> None:
    document["sequences"][0]["protein"]["id"] += ["A"] * size


def unknown_keys(document: Document, size: int) -> None:
    document["sequences"].append({f"protien{number}": 1 for number in range(size)})


def long_texts(document: Document, size: int) -> None:
    text = "m" * size * 50
    document["sequences"].append({"protein": {"id": text, "sequence": text, "msa": text, text: text}})


def long_smiles(document: Document, size: int) -> None:
    document["sequences"].append({"ligand": {"id": "B", "smiles": "C" * 2 * size}})


GROWING: tuple[Grow, ...] = (
    *(residues, copies, twins, equal_chains, other_chains, modified, ligands, glycan),
    *(bonds, contacts, pocket, templates, template_chains),
    *(wrong_codes, wrong_chains, wrong_atoms, wrong_types, wrong_ids, unknown_keys, long_texts, long_smiles),
)
PAIRS = [
    *((each, each) for each in GROWING),
    *zip(GROWING, (*GROWING[1:], GROWING[0]), strict=True),
    *(pytest.param(pair, marks=pytest.mark.extra) for pair in itertools.combinations(GROWING, 2)),
]
"""Each by itself, and beside the one that follows; beside all others in ``make test-all``."""


def grown(grow: Iterable[Grow], size: int) -> Tree:
    """Return a document that has grown in these ways."""
    document = base()
    for each in dict.fromkeys(grow):
        each(document, size)
    return Tree(json.loads(json.dumps(document)), {})


def read(tree: Tree) -> BoltzInput:
    """Check a document, however large it is, with nothing known of its molecules."""
    read_smiles.cache_clear()
    return read_tree("x.yaml", tree, Reading(max_tokens=10**9))


def read_whatever(tree: Tree) -> None:
    """Check a document that may be refused."""
    with suppress(InvalidInputError):
        read(tree)


class Cost(Protocol):
    """What the check of a document costs, in some unit."""

    def __call__(self, work: Callable[[Tree], object], given: Tree, /) -> int: ...


def more_costs(cost: Cost, grow: Iterable[Grow], size: int = SIZE, noise: int = 0) -> tuple[float, float]:
    """Return what each byte costs by which a document grows, and each by which it grows as much again."""
    trees = [grown(grow, times * size) for times in (1, 2, 3)]
    read_whatever(trees[0])  # what is looked up once
    paid = [cost(read, tree) for tree in trees]
    sized = [len(json.dumps(tree.data)) for tree in trees]
    first, second = ((paid[at + 1] - paid[at]) / (sized[at + 1] - sized[at]) for at in (0, 1))
    return max(first, 0), second - noise / (sized[2] - sized[1])


@pytest.mark.parametrize(
    "pair", PAIRS, ids=lambda pair: "-".join(dict.fromkeys(each.__name__ for each in pair))
)
def test_twice_of_two_things_is_twice_the_work_of_a_check(pair: tuple[Grow, Grow]) -> None:
    first, second = more_costs(steps, pair)
    assert second <= SLACK * first + 0.3, f"{first:.1f} steps for a byte, then {second:.1f}"


@pytest.mark.parametrize("grow", GROWING, ids=lambda grow: grow.__name__)
def test_twice_of_a_thing_takes_twice_the_memory(grow: Grow) -> None:
    first, second = more_costs(peak, [grow], 3 * SIZE, NOISE)
    assert second <= 1.25 * max(first, AT_LEAST), f"{first:.1f} bytes for a byte, then {second:.1f}"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        *((wrong_codes, glycan), (wrong_types, other_chains), (wrong_ids, copies), (unknown_keys, templates)),
        *((wrong_chains, contacts), (wrong_atoms, bonds)),
    ],
)
def test_mistakes_beyond_those_that_are_told_cost_no_more_than_what_is_right(
    wrong: Grow, right: Grow
) -> None:
    for cost, noise in ((steps, 0), (peak, NOISE)):
        bad, good = (_beyond_told(cost, grow) for grow in (wrong, right))
        assert bad < 1.1 * good + noise


def _beyond_told(cost: Cost, grow: Grow) -> int:
    few, many = (grown([grow], size) for size in (2 * MAX_PROBLEMS, 10 * MAX_PROBLEMS))
    for tree in (few, many):
        read_whatever(tree)  # what is looked up once
    return cost(read, many) - cost(read, few)


# Whatever holds a text or a list has to be among what grows.


def fields_of(model: type[BaseModel]) -> Iterator[tuple[str, object]]:
    for name, info in model.model_fields.items():
        yield name, info.annotation
        for inner in models_in(info.annotation):
            yield from fields_of(inner)


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)


def keys_in(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from keys_in(inner)
    if isinstance(value, list):
        for inner in value:
            yield from keys_in(inner)


BOUNDED = {
    "version",
    "position",
    "cyclic",
    "max_distance",
    "force",
    "threshold",
    "rna",
    "properties",
    "affinity",
}
"""Numbers and truths, what is as another is, and a list of one."""


def test_every_list_and_text_of_the_grammar_is_among_what_grows() -> None:
    grammar = {name for name, _ in fields_of(BoltzInput)}
    assert grammar - BOUNDED == set(keys_in(grown(GROWING, 1).data)) & grammar - BOUNDED


# Texts before they are a document, and alignments. Of brackets that none closes 1,024 are looked through for
# a key, each time: tests/unit/test_hostile_inputs.py has them.

TEXTS = {
    "x.yaml": (
        *("- a\n", "a: b\n", "? a\n", "- [a, b]\n", "a\n", "'a' ", '"\\x41', "# a\n", "--- a\n"),
        *("%TAG !a! x\n", "- &a b\n", "9:", "1_", "a b ", "a:\n ", "|\n a\n", "- 0x1\n", "é", "\U0001f9ec"),
        "- *x\n",
    ),
    "x.fasta": (">A|protein|empty\nA\n", ">A|protien\n", ">|", ">", "A\n", " A", ">A|dna\n", "|"),
}
UNITS = [(name, unit) for name, units in TEXTS.items() for unit in units]


@pytest.mark.parametrize(("name", "unit"), UNITS)
def test_a_text_twice_as_long_is_twice_the_work(name: str, unit: str) -> None:
    def parse(times: int) -> object:
        head = "sequences:\n" if name.endswith(".yaml") else ""
        anchor = "- &x [a, b]\n" if "*x" in unit else ""
        return (read_fasta if name.endswith(".fasta") else read_yaml)(head + anchor + unit * times)

    once, twice, thrice = (steps(parse, times) for times in (100, 200, 300))
    assert thrice - twice <= SLACK * max(twice - once, 0) + 30


def seconds(work: Callable[[], object]) -> float:
    """Measure the processor's time of this thread."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def test_an_alignment_s_first_row_is_looked_through_once_for_all_chains_that_name_it() -> None:
    content = b">q\nMM" + b"a" * 120_000

    def check(chains: Sequence[str]) -> Callable[[], object]:
        proteins = [{"protein": {"id": chain, "sequence": "MM", "msa": "a.a3m"}} for chain in chains]
        document = read(Tree({"sequences": proteins}, {}))
        return lambda: check_beginning("a.a3m", content, document, whole=True)

    one, many = check(CHAINS[:1]), check(CHAINS)
    assert one() is many() is None
    assert min(seconds(many) for _ in range(3)) < 10 * min(seconds(one) for _ in range(3))
