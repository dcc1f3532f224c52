"""summary.png: a prediction at a glance, for slides and chats: structure, pLDDT, PAE, scores.

Drawn twice as large as it is delivered, which makes edges smooth, in DejaVu Sans (free licence, in assets/),
which has Latin, Greek and Cyrillic; letters that it lacks are empty boxes.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont, ImageOps
from PIL.PngImagePlugin import PngInfo

from schemas import scores as known
from schemas.checks import Checks, Verdict
from worker.report.affinity import in_words
from worker.report.prediction import Prediction
from worker.report.trace import Trace, seen, trace
from worker.report.verdict import in_short

SIZE = (1200, 675)
ZOOM = 2
FONT = Path(__file__).with_name("assets") / "DejaVuSans.ttf"
Colour = tuple[int, int, int]
INK, QUIET, LINE, PAPER, ALARM = (28, 36, 48), (86, 96, 112), (213, 218, 225), (255, 255, 255), (176, 0, 32)
VERDICTS = {Verdict.PASSED: (27, 110, 60), Verdict.WARNINGS: (138, 90, 0), Verdict.FAILED: ALARM}
BANDS = ((90, (0, 83, 214)), (70, (101, 203, 243)), (50, (255, 219, 19)), (0, (255, 125, 69)))
"""AlphaFold's colours of pLDDT, each from this value up."""

WORST = 30.0
"""Angstrom of PAE that are drawn white."""

SURE: Colour = (0, 80, 50)
SHADES = 24
"""Steps from sure to white: so few keep the file small whatever the map."""

FADE = 0.55
"""Share of white in the colour of what is farthest from the viewer."""

LEAST_SPAN = 12.0
"""Angstrom that the picture of a structure shows at least, so that an ion is not drawn as a planet."""

RANDOM = "RANDOM WEIGHTS: nothing in this picture means anything"


class Box(NamedTuple):
    """A part of the picture, in pixels of the delivered one."""

    left: int
    top: int
    width: int
    height: int


STRUCTURE, PLDDT = Box(30, 140, 560, 475), Box(660, 168, 510, 140)
PAE, SCORES = Box(660, 360, 270, 270), Box(955, 360, 215, 270)


def write(prediction: Prediction, path: Path) -> None:
    """Draw a prediction that ``worker.outputs.checked`` has found whole; its best sample."""
    picture = Picture()
    picture.head(prediction)
    picture.structure(trace(prediction.structure(0), prediction.polymers))
    picture.plddt(prediction.array("plddt", 0) * 100, [token.chain for token in prediction.tokens])
    picture.pae(prediction.array("pae", 0))
    picture.scores(list(scores(prediction)))
    small = picture.image.resize(SIZE, Image.Resampling.BOX)
    about = PngInfo()
    about.add_itxt("Description", alternative(prediction))
    small.save(path, "PNG", optimize=True, pnginfo=about)


def alternative(prediction: Prediction) -> str:
    """Return the picture's content in words."""
    told = ", ".join(f"{name} {value}" for name, value in scores(prediction))
    warning = f" {RANDOM}." if prediction.model.random_weights else ""
    found = f" {in_short(prediction.summary).capitalize()}." if prediction.summary else ""
    return f"Predicted structure of {prediction.job.source.name}: {told}.{found}{warning}"


def scores(prediction: Prediction) -> Iterator[tuple[str, str]]:
    """Name the figures of the best sample, and the affinity's."""
    confidence = prediction.confidence(0)
    yield from (
        (score.label, score.shown(confidence))
        for score in (known.CONFIDENCE, known.PTM, known.IPTM, known.PLDDT)
    )
    if prediction.affinity:
        said = in_words(prediction.affinity)
        yield known.BINDER.label, said["probability"]
        yield "IC50, if it binds", said["ic50"]


class Picture:
    """The canvas. All lengths are pixels of the delivered picture."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (SIZE[0] * ZOOM, SIZE[1] * ZOOM), PAPER)
        self._draw = ImageDraw.Draw(self.image)

    def head(self, prediction: Prediction) -> None:
        """Write what was predicted, by what; and in red that it means nothing, where that is so."""
        model, job = prediction.model, prediction.job
        self._text((30, 20), shortened(job.source.name, 27, SIZE[0] - 60), 27)
        by = f"{model.title} · seed {job.options.seed} · job {job.job_id}"
        self._text((30, 62), by, 16, QUIET)
        if prediction.summary:
            self._verdict(prediction.summary, 30 + font(16).getlength(by) / ZOOM)
        if model.random_weights:
            self._rectangle(Box(0, 94, SIZE[0], 32), ALARM)
            self._text((SIZE[0] / 2, 100), RANDOM, 19, PAPER, "ma")

    def _verdict(self, summary: Checks, after: float) -> None:
        room = SIZE[0] - 60 - after
        said = shortened(in_short(summary), 17, room)
        self._text((SIZE[0] - 30, 61), said, 17, VERDICTS.get(summary.verdict, QUIET), "ra")

    def structure(self, found: Trace) -> None:
        """Draw backbones and atoms in the colours of their pLDDT, what is far away paler and first."""
        turned = seen(found.places)
        places, scale = _fitted(turned, STRUCTURE)
        near = np.ptp(turned[:, 2]) or 1.0
        shares = FADE * (turned[:, 2].max() - turned[:, 2]) / near
        colours = [_mixed(band(value), share) for value, share in zip(found.plddt, shares, strict=True)]
        thick = [min(6.0, max(1.2, (0.35 if i in found.atoms else 0.9) * scale)) for i in range(len(places))]
        self._links(found.links, turned[:, 2], places, colours, thick)
        self._legend()

    def _links(
        self,
        links: Sequence[tuple[int, int]],
        depths: npt.NDArray[np.float64],
        places: npt.NDArray[np.float64],
        colours: Sequence[Colour],
        thick: Sequence[float],
    ) -> None:
        joined: dict[int, list[int]] = {i: [] for i in range(len(places))}
        for i, j in links:
            joined[i].append(j)
            joined[j].append(i)
        for i in np.argsort(depths, kind="stable").tolist():
            for j in joined[i]:  # each point draws its half of a link
                self._line(places[i], (places[i] + places[j]) / 2, colours[i], 2 * thick[i])
            self._dot(places[i], thick[i] * 1.15, colours[i])

    def plddt(self, values: npt.NDArray[np.float64], chains: Sequence[str]) -> None:
        """Draw the curve over all tokens on the bands of confidence, with chains told apart.

        Values that are not of these tokens are not drawn: they would be at wrong places.
        """
        box, count = PLDDT, len(values)
        self._text((box.left, box.top - 26), "pLDDT along the chains", 17)
        if count != len(chains):
            self._text((box.left, box.top), "The values do not fit the structure.", 15, QUIET)
            return
        x = box.left + (np.arange(count) + 0.5) / count * box.width
        y = box.top + box.height * (1 - values / 100)
        for value in (0, 50, 70, 90, 100):
            level = box.top + box.height * (1 - value / 100)
            self._line((box.left, level), (box.left + box.width, level), LINE, 1)
            self._text((box.left - 8, level), str(value), 13, QUIET, "rm")
        for at in _borders(chains):
            edge = box.left + at / count * box.width
            self._line((edge, box.top), (edge, box.top + box.height), QUIET, 1)
        starts = {0, *_borders(chains)}
        for i in range(count):
            if i not in starts:
                self._line((x[i - 1], y[i - 1]), (x[i], y[i]), QUIET, 1.5)
            self._dot((x[i], y[i]), max(1.6, min(4.0, 0.3 * box.width / count)), band(values[i]))

    def pae(self, errors: npt.NDArray[np.float64]) -> None:
        """Draw the map of errors: dark green is sure, white is not."""
        self._text((PAE.left, PAE.top - 26), "PAE, 0 to 30 Å", 17)
        way = Image.Resampling.NEAREST if len(errors) < PAE.width else Image.Resampling.BOX
        fitted = Image.fromarray(errors.astype(np.float32)).resize((PAE.width, PAE.height), way)
        share = np.rint(np.clip(np.asarray(fitted) / WORST, 0, 1) * SHADES)[..., None] / SHADES
        pixels = np.array(SURE) * (1 - share) + np.array(PAPER) * share
        drawn = Image.fromarray(pixels.astype(np.uint8))
        place = (PAE.left * ZOOM, PAE.top * ZOOM)
        self.image.paste(ImageOps.scale(drawn, ZOOM, Image.Resampling.NEAREST), place)
        self._rectangle(PAE, outline=LINE)

    def scores(self, figures: Sequence[tuple[str, str]]) -> None:
        """List the figures."""
        self._text((SCORES.left, SCORES.top - 26), "best sample", 17)
        for row, (name, value) in enumerate(figures):
            self._text((SCORES.left, SCORES.top + 45 * row), name, 15, QUIET)
            self._text((SCORES.left, SCORES.top + 45 * row + 18), value, 20)

    def _legend(self) -> None:
        left = STRUCTURE.left
        for (_, colour), words in zip(BANDS, ("over 90", "70 to 90", "50 to 70", "under 50"), strict=True):
            self._rectangle(Box(left, 638, 14, 14), colour)
            self._text((left + 20, 645), words, 14, QUIET, "lm")
            left += 95
        self._text((left, 645), "pLDDT", 14, QUIET, "lm")

    def _text(
        self, at: Sequence[float], text: str, size: int, colour: Colour = INK, anchor: str = "la"
    ) -> None:
        self._draw.text((at[0] * ZOOM, at[1] * ZOOM), text, colour, font(size), anchor)

    def _line(self, start: Sequence[float], end: Sequence[float], colour: Colour, width: float) -> None:
        points = [value * ZOOM for value in (*start, *end)]
        self._draw.line(points, colour, max(1, round(width * ZOOM)))

    def _dot(self, centre: Sequence[float], radius: float, colour: Colour) -> None:
        x, y = centre
        edges = [value * ZOOM for value in (x - radius, y - radius, x + radius, y + radius)]
        self._draw.ellipse(edges, colour)

    def _rectangle(self, box: Box, colour: Colour | None = None, outline: Colour | None = None) -> None:
        edges = (box.left, box.top, box.left + box.width, box.top + box.height)
        self._draw.rectangle([edge * ZOOM for edge in edges], colour, outline, ZOOM)


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return the font for a size in pixels of the delivered picture."""
    return ImageFont.truetype(FONT, size * ZOOM)


def shortened(text: str, size: int, width: float) -> str:
    """Leave the middle of a text out where it is too wide, in one line: a path's end says most."""
    line = " ".join(text.split())[:2000]
    shown, keep = line, len(line)
    while font(size).getlength(shown) > width * ZOOM:
        keep -= 1
        shown = f"{line[: keep // 4]} … {line[len(line) - keep * 3 // 4 :]}"
    return shown


def band(plddt: float) -> Colour:
    """Return the colour of a pLDDT between 0 and 100."""
    return next((colour for least, colour in BANDS if plddt >= least), BANDS[-1][1])


def _fitted(turned: npt.NDArray[np.float64], box: Box) -> tuple[npt.NDArray[np.float64], float]:
    """Place points in a box, y downwards; return them with the pixels of an angstrom."""
    low, high = turned[:, :2].min(axis=0), turned[:, :2].max(axis=0)
    span = np.maximum(high - low, LEAST_SPAN)
    scale = float(min((np.array((box.width, box.height)) - 20) / span))
    centre = np.array((box.left + box.width / 2, box.top + box.height / 2))
    return centre + (turned[:, :2] - (low + high) / 2) * scale * np.array((1, -1)), scale


def _mixed(colour: Colour, white: float) -> Colour:
    red, green, blue = (round(part + (255 - part) * white) for part in colour)
    return red, green, blue


def _borders(chains: Sequence[str]) -> list[int]:
    return [i for i in range(1, len(chains)) if chains[i] != chains[i - 1]]
