"""Our client beside Boltz-2's own, against a server over real MMseqs2: the same MSAs, byte for byte."""

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
from boltz.data.msa import mmseqs2
from boltz.main import compute_msa
from werkzeug.serving import make_server

from functions.alignments.colabfold import ColabFold
from inputs.alignments import merged, unaligned
from inputs.read import read_input
from local import msa_server, proteins

CACHE = Path(__file__).parents[2] / ".local" / "cache" / "msa"
ALPHA = (
    "VLSPADKTNVKAAWGKVGAHAGEYGAEALERMFLSFPTTKTYFPHFDLSHGSAQVKGHGKKVADALTNAVAHVDDMPNALSALSDLHAHKLRVDPVNFKLL"
    "SHCLLVTLAAHLPAEFTPAVHASLDKFLASVSTVLTSKYR"
)
BETA = (
    "VHLTPEEKSAVTALWGKVNVDEVGGEALGRLLVVYPWTQRFFESFGDLSTPDAVMGNPKVKAHGKKVLGAFSDGLAHLDNLKGTFATLSELHCDKLHVDPE"
    "NFRLLGNVLVCVLAHHFGKEFTPPVQAAYQKVVAGVANALAHKYH"
)
UBIQUITIN = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"


def protein(ids: str, sequence: str, more: str = "") -> str:
    return f"- protein: {{id: [{ids}], sequence: {sequence}{more}}}\n"


INPUTS = {
    "one chain": protein("A", UBIQUITIN),
    "homodimer": protein("A, B", ALPHA),
    "heterotetramer": protein("A, C", ALPHA) + protein("B, D", BETA),
    "one of them empty": protein("A", ALPHA) + protein("B", UBIQUITIN, ", msa: empty") + protein("C", BETA),
    "unknown residues": protein("A", ALPHA.replace("AW", "UX")),
}


def soon(_seconds: float) -> None:
    time.sleep(0.05)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Serve the API of an MSA server on a free port."""
    app = msa_server.create(msa_server.Tickets(proteins.database(CACHE)))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()


@pytest.mark.parametrize("name", INPUTS)
def test_our_msas_are_boltz_s_to_the_byte(
    name: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sequences = unaligned(read_input("a.yaml", f"sequences:\n{INPUTS[name]}".encode(), msa_service=True))
    asked = {f"a_{entity}": sequence for entity, sequence in enumerate(sequences)}
    monkeypatch.setattr(mmseqs2, "time", SimpleNamespace(sleep=soon))  # Boltz looks every 5 to 10 s
    compute_msa(asked, "a", tmp_path, url, "greedy")
    server = ColabFold(url, "dropfold/test", sleep=soon)
    unpaired = server.unpaired(sequences, lambda: True)
    paired = server.paired(sequences, lambda: True) if len(sequences) > 1 else [""] * len(sequences)
    assert unpaired
    assert paired
    ours = [merged(*each) for each in zip(paired, unpaired, strict=True)]
    assert ours == [(tmp_path / f"{entity}.csv").read_text() for entity in asked]
