"""report.html: structures, what the model thinks of them, and what went in, in one file without network.

3Dmol.js draws the structures (BSD licence, in assets/); its code and the data are part of the page.
Structures and matrices are packed (zlib, base64), so that 500 residues stay below 5 MB with several samples.
"""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from inputs.grammar import BoltzInput
from inputs.values import EMPTY_MSA
from schemas.job import Alignment
from schemas.scores import PLDDT
from worker.report.affinity import in_words
from worker.report.prediction import Prediction
from worker.report.tokens import Token
from worker.report.verdict import section

ASSETS = Path(__file__).with_name("assets")
PAE_STEP = 0.125
"""Angstrom per unit of a packed matrix: one byte reaches 31.875, and Boltz-2's bins end at 32."""

MATRICES = 5
"""Samples whose PAE is shown; the files of the others have theirs."""

LOW_CONFIDENCE = 0.5


def write(prediction: Prediction, path: Path) -> None:
    """Write the page of a prediction that ``worker.outputs.checked`` has found whole."""
    path.write_text(render(prediction), encoding="utf-8")


def render(prediction: Prediction) -> str:
    """Return the page."""
    known = prediction.tokens
    order = list(dict.fromkeys(token.chain for token in known))
    samples = [
        _sample(prediction, rank, len(known)) | {"iptm": _iptm(prediction.confidence(rank), len(order))}
        for rank in range(prediction.job.options.samples)
    ]
    template = Environment(
        loader=FileSystemLoader(ASSETS), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    ).get_template("report.html.jinja")
    return template.render(
        job=prediction.job,
        model=prediction.model,
        text=prediction.text,
        seconds=prediction.seconds,
        usd=prediction.usd,
        usd_per_hour=prediction.usd_per_hour,
        chains=_chains(prediction.document),
        order=order,
        alignments=prediction.alignments,
        samples=samples,
        affinity=in_words(prediction.affinity) if prediction.affinity else None,
        checks=section(prediction),
        warnings=_warnings(prediction, samples),
        assets={name: _asset(name) for name in ("3Dmol-min.js", "report.js", "report.css")},
        data=_embedded(known, samples),
    )


def _asset(name: str) -> Markup:
    return Markup((ASSETS / name).read_text(encoding="utf-8"))  # noqa: S704  a file of this program


def _sample(prediction: Prediction, rank: int, count: int) -> dict[str, Any]:
    """Pack a sample; without values that are not of ``count`` tokens: they would be drawn at wrong places."""
    structure, plddt = prediction.structure(rank), prediction.array("plddt", rank)
    pae = prediction.array("pae", rank) if rank < MATRICES else None
    fits = plddt.shape == (count,) and (pae is None or pae.shape == (count, count))
    return {
        "rank": rank,
        "format": structure.suffix[1:],
        "structure": _packed(structure.read_bytes()),
        "confidence": prediction.confidence(rank),
        "fits": fits,
        "plddt": plddt.round(4).tolist() if fits else None,
        "pae": _matrix(pae) if pae is not None and fits else None,
    }


def _iptm(confidence: Mapping[str, Any], count: int) -> list[list[float]] | None:
    """Return ipTM by pair of chains, in the structure's order, which is Boltz-2's; None for another count."""
    pairs, keys = confidence["pair_chains_iptm"], [str(at) for at in range(count)]
    if any(set(found) != set(keys) for found in (pairs, *pairs.values())):
        return None
    return [[pairs[row][column] for column in keys] for row in keys]


def _matrix(pae: npt.NDArray[np.float64]) -> str:
    steps = np.clip(np.rint(pae / PAE_STEP), 0, 255)
    return _packed(steps.astype(np.uint8).tobytes())


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 9)).decode()


def _chains(document: BoltzInput) -> list[dict[str, str]]:
    """Describe each chain, in the input's order."""
    return [
        {"id": chain, "kind": entry.kind, "what": _what(entry.molecule)}
        for entry in document.sequences
        for chain in entry.molecule.id
    ]


def _what(molecule: Any) -> str:  # noqa: ANN401  any molecule of the grammar
    sequence = getattr(molecule, "sequence", None)
    return f"{len(sequence)} residues" if sequence else molecule.smiles or ", ".join(molecule.ccd)


def _warnings(prediction: Prediction, samples: Sequence[Mapping[str, Any]]) -> list[str]:
    """List what a reader should know before believing the page; random weights have a banner of their own."""
    proteins = [entry.protein for entry in prediction.document.sequences if entry.protein]
    found = []
    if samples[0]["confidence"][PLDDT.name] < LOW_CONFIDENCE:
        found.append("Low confidence: the model expects large parts of this structure to be wrong.")
    if any(protein.msa == EMPTY_MSA for protein in proteins):
        found.append("Single-sequence mode: without an MSA, a protein's structure is usually less accurate.")
    if not all(sample["fits"] for sample in samples):
        found.append(
            "Values of pLDDT or PAE do not fit the structure and are not drawn. The files have them."
        )
    found += prediction.warnings
    return [*found, *map(_alone, (each for each in prediction.alignments if each.rows == 1))]


def _alone(alignment: Alignment) -> str:
    chains = alignment.chains
    of, this = ("Chains", "these chains") if len(chains) > 1 else ("Chain", "this chain")
    rests = f"the prediction of {this} rests on {'their' if len(chains) > 1 else 'its'} sequence alone"
    return f"{of} {', '.join(chains)}: no homologues were found: {rests}."


def _embedded(known: Sequence[Token], samples: Sequence[Mapping[str, Any]]) -> Markup:
    """Write data for a script element, which ends at ``</`` whatever is around it."""
    content = {"tokens": known, "samples": samples, "paeStep": PAE_STEP}
    return Markup(json.dumps(content, separators=(",", ":")).replace("</", "<\\/"))  # noqa: S704  made safe here
