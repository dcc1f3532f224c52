"""What shows a prediction to a person, by public name, each written in a child process."""

from collections.abc import Mapping

from schemas.receipt import REPORT, SUMMARY
from worker.children import Children
from worker.pipeline import Show
from worker.report import page, summary


def shows_in(children: Children) -> Mapping[str, Show]:
    """Have both written by these children."""
    return {
        REPORT: lambda prediction, path: children.run(page.write, prediction, path),
        SUMMARY: lambda prediction, path: children.run(summary.write, prediction, path),
    }
