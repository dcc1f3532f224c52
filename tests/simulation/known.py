"""What is wrong with the product and not mended yet: kinds of problems by the findings that they come from.

Whoever mends one takes its line away. When the list is empty, every schedule has to end without a problem.
"""

from collections.abc import Mapping, Sequence

from simulation.model import Problem

KNOWN: Mapping[str, str] = {}


def unknown(problems: Sequence[Problem]) -> Sequence[Problem]:
    """Return the problems that are of no known kind."""
    return [problem for problem in problems if problem.kind not in KNOWN]
