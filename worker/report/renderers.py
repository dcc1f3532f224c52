"""Pages and pictures of a prediction, by public name, each written in a child process."""

from collections.abc import Mapping

from schemas.receipt import REPORT, SUMMARY
from worker.child_pool import ChildPool
from worker.pipeline import Renderer
from worker.report import page, summary


def renderers(children: ChildPool) -> Mapping[str, Renderer]:
    """Return what has these children write each of them."""
    return {
        REPORT: lambda prediction, path: children.run(page.write, prediction, path),
        SUMMARY: lambda prediction, path: children.run(summary.write, prediction, path),
    }
