"""ChildPool that are forked from their parent itself: real processes, each with what it had then."""

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from support.patience import until

ROOT = Path(__file__).parents[2]
# Whatever the child finds changed in this module, its parent had changed before the fork.
PROGRAM = """
    import json, os, signal, sys
    from multiprocessing import forkserver
    from pathlib import Path

    from gcp.shutdown import InterruptError, raise_on
    from worker.child_server import fork_child_server
    from worker.child_pool import ChildPool

    shared = False

    def look():
        return {
            "is forked from its parent": shared,
            "has what was asked for": "wave" in sys.modules,
            "is asked to end as its parent": signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL,
            "hashes at random": bool(sys.flags.hash_randomization),
        }

    if __name__ == "__main__":
        shared = True
        raise_on(InterruptError, signal.SIGTERM)
        fork_child_server("wave")
        server = forkserver._forkserver._forkserver_pid
        with ChildPool(600, "wave") as children:
            print(json.dumps(children.run(look)), flush=True)
            if "kill" in sys.argv:
                its = Path(f"/proc/{server}/task/{server}/children").read_text().split()
                for process in (server, *map(int, its)):
                    os.kill(process, signal.SIGKILL)
                print(json.dumps(children.run(look)), flush=True)
            elif server:
                print(server)
"""
FORKED = {
    "is forked from its parent": True,
    "has what was asked for": True,
    "is asked to end as its parent": False,
    "hashes at random": False,
}
STARTED = FORKED | {"is forked from its parent": False}


def run(folder: Path, seed: str, *arguments: str) -> list[str]:
    """Run the program to its end and return what it said; it complains about nothing."""
    (folder / "program.py").write_text(dedent(PROGRAM))
    env = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed}
    command = [sys.executable, "program.py", *arguments]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.stdout.splitlines()


def test_a_child_is_a_fork_of_its_parent_and_ends_with_it_as_their_server_does(tmp_path: Path) -> None:
    child, server = run(tmp_path, "0")
    assert json.loads(child) == FORKED
    until(lambda: not Path(f"/proc/{server}").exists())


def test_where_hashes_differ_from_process_to_process_children_come_from_another_python(
    tmp_path: Path,
) -> None:
    [child] = run(tmp_path, "random")
    assert json.loads(child) == STARTED


def test_a_server_that_was_killed_is_replaced(tmp_path: Path) -> None:
    before, after = run(tmp_path, "0", "kill")
    assert (json.loads(before), json.loads(after)) == (FORKED, STARTED)
