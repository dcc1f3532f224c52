"""Hypothesis strategies for what crosses a boundary: records, and trees near the input's grammar."""

import string
from datetime import UTC, datetime

from hypothesis import strategies as st

from inputs.grammar import BoltzInput
from schemas.failure import Code, Failure
from schemas.job import Change, Effect, Job, Lease, Model, Output, Source, State
from schemas.options import Options

TIMES = st.datetimes(datetime(1970, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 the zone is beside it
IDS = st.text("0123456789abcdef", min_size=16, max_size=16)
NAMES = st.text(min_size=1, max_size=60)
NUMBERS = st.floats(allow_nan=False)
TABLES = st.dictionaries(st.text("abcdefgh_", min_size=1), NUMBERS, max_size=4)

SOURCES = st.builds(
    Source,
    bucket=NAMES,
    name=st.one_of(NAMES, st.text(min_size=1000, max_size=1024)),
    generation=st.integers(0, 2**63 - 1),
    size=st.integers(0, 2**63 - 1),
    crc32c=st.none() | st.text(max_size=16),
    time=TIMES,
    metadata=st.dictionaries(NAMES, NAMES, max_size=3),
)
FAILURES = st.builds(
    Failure,
    code=st.sampled_from(Code),
    message=st.text(),
    field=st.none() | st.text(),
    value=st.none() | st.text(),
    remedy=st.text(),
)
OPTIONS = st.builds(
    Options,
    samples=st.integers(1, 25),
    seed=st.none() | st.integers(0, 2**32 - 1),
    sampling_steps=st.integers(1, 1000),
    potentials=st.none() | st.booleans(),
    output_format=st.sampled_from(["mmcif", "pdb"]),
)
OUTPUTS = st.builds(Output, name=NAMES, size=st.integers(0, 2**40), crc32c=NAMES)
JOBS = st.builds(
    Job,
    job_id=IDS,
    source=SOURCES,
    batch=st.text(max_size=256),
    state=st.sampled_from(State),
    created_at=TIMES,
    updated_at=TIMES,
    options=OPTIONS,
    attempt=st.integers(0, 9),
    lease=st.none() | st.builds(Lease, holder=NAMES, expires_at=TIMES),
    worker=st.none() | NAMES,
    waits_for=st.tuples(NAMES) | st.just(()),
    wait_until=st.none() | TIMES,
    trace=st.text("123456789abcdef", min_size=32, max_size=32),
    output_prefix=NAMES,
    outputs=st.lists(OUTPUTS, max_size=2).map(tuple),
    scores=TABLES,
    model=st.none()
    | st.builds(Model, name=NAMES, version=NAMES, weights_digest=NAMES, random_weights=st.booleans()),
    fingerprint=st.none() | NAMES,
    cached_from=st.none() | IDS,
    errors=st.lists(FAILURES, max_size=3).map(tuple),
    timings=TABLES,
    decided=st.dictionaries(NAMES, st.text(), max_size=2),
    pending=st.lists(st.sampled_from(Effect), unique=True).map(tuple),
    history=st.lists(st.builds(Change, at=TIMES, event=NAMES, state=st.sampled_from(State)), max_size=2).map(
        tuple
    ),
    expire_at=st.none() | TIMES,
)
ENDED = st.builds(
    lambda job, state: job.evolve(state=state),
    JOBS,
    st.sampled_from([state for state in State if state.terminal]),
)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["A", "B", "empty", "a.a3m", "t.cif", "t.pdb", "ATP", "SEP", "C1", "MKTAYIAKQR", "ACGU", "CCO", 1, 5]
    ),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)


def _keys(schema: object) -> set[str]:
    """Collect every key that the input's grammar has."""
    found: set[str] = set()
    if isinstance(schema, dict):
        found |= set(schema.get("properties", {}))
        found |= {key for inner in schema.values() for key in _keys(inner)}
    return found


KEYS = st.sampled_from(sorted(_keys(BoltzInput.model_json_schema())))
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
"""Anything that has the grammar's keys, in any place."""

_POLYMERS = st.fixed_dictionaries(
    {
        "id": st.sampled_from("ABCD")
        | st.lists(st.sampled_from("ABCDEFG"), min_size=1, max_size=3, unique=True)
    },
    optional={
        "sequence": st.text("ACGU", min_size=1, max_size=9) | TREES,
        "msa": st.sampled_from(["empty", "a.a3m", "b/c.csv", "../x.a3m"]) | TREES,
        "cyclic": st.booleans() | TREES,
        "modifications": st.lists(
            st.fixed_dictionaries({"position": st.integers(0, 9), "ccd": st.just("SEP")})
        )
        | TREES,
    },
)
_LIGANDS = st.fixed_dictionaries(
    {"id": st.sampled_from("LMN")},
    optional={"ccd": st.sampled_from(["ATP", "MG"]), "smiles": st.just("CCO") | TREES},
)
_ENTRIES = st.one_of(
    st.fixed_dictionaries({"protein": _POLYMERS}),
    st.fixed_dictionaries({"rna": _POLYMERS}),
    st.fixed_dictionaries({"dna": _POLYMERS}),
    st.fixed_dictionaries({"ligand": _LIGANDS}),
    TREES,
)
_TOKENS = st.tuples(st.sampled_from("ABL"), st.integers(0, 9) | st.sampled_from(["C1", "CA"])).map(list)
_CONSTRAINTS = st.one_of(
    st.fixed_dictionaries({"contact": st.fixed_dictionaries({"token1": _TOKENS, "token2": _TOKENS | TREES})}),
    st.fixed_dictionaries(
        {"pocket": st.fixed_dictionaries({"binder": st.just("L"), "contacts": st.lists(_TOKENS)})}
    ),
    TREES,
)
DOCUMENTS = st.fixed_dictionaries(
    {"sequences": st.lists(_ENTRIES, min_size=1, max_size=4) | TREES},
    optional={
        "version": st.just(1) | TREES,
        "constraints": st.lists(_CONSTRAINTS, max_size=2) | TREES,
        "templates": st.lists(
            st.fixed_dictionaries(
                {"cif": st.just("t.cif")}, optional={"chain_id": st.just("A"), "force": TREES}
            ),
            max_size=2,
        )
        | TREES,
        "properties": st.just([{"affinity": {"binder": "L"}}]) | TREES,
    },
)
"""Inputs that are right, or wrong in a few places."""

FASTAS = st.lists(
    st.tuples(
        st.lists(
            st.sampled_from(["A", "B", "C", "protein", "rna", "ccd", "smiles", "empty", "a.a3m", ""])
            | st.text(max_size=5)
        ),
        st.text("ACGU \n\r>|", max_size=20) | st.text(max_size=9),
    ).map(lambda record: f">{'|'.join(record[0])}\n{record[1]}\n"),
    max_size=4,
).map("".join)


def _is_one_token(_kind: str, molecule: dict[str, str]) -> bool:
    """Return whether a molecule alone is too little to be scored: a residue, or an ion."""
    return len(molecule.get("sequence", "")) == 1 or molecule in ({"ccd": "MG"}, {"smiles": "[Na+]"})


_RIGHT = st.one_of(
    st.text(string.ascii_uppercase, min_size=1, max_size=30).map(
        lambda letters: ("protein", {"sequence": letters, "msa": "empty"})
    ),
    st.text("ACGUN", min_size=1, max_size=30).map(lambda letters: ("rna", {"sequence": letters})),
    st.text("ACGTN", min_size=1, max_size=30).map(lambda letters: ("dna", {"sequence": letters})),
    st.sampled_from(["ATP", "MG", "HEM"]).map(lambda code: ("ligand", {"ccd": code})),
    st.sampled_from(["CCO", "c1ccccc1", "[Na+]"]).map(lambda smiles: ("ligand", {"smiles": smiles})),
)
RIGHT = (
    st.lists(_RIGHT, min_size=1, max_size=9)
    .filter(lambda molecules: len(molecules) > 1 or not _is_one_token(*molecules[0]))
    .map(
        lambda molecules: {
            "sequences": [
                {kind: {"id": f"C{at}", **molecule}} for at, (kind, molecule) in enumerate(molecules)
            ]
        }
    )
)
"""Inputs that are right."""
