"""Import without garbage collection, which takes a third of the time and finds nothing that would go away.

Importing this module switches collection off: for a program's first line, and the fork server's.
``collect_again`` switches it on for what is made from then on.
"""

import gc

gc.disable()


def collect_again() -> None:
    """Leave what is there now alone for ever, and collect again."""
    gc.freeze()
    gc.enable()
