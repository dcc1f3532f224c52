"""functions-framework ends a call that goes on for too long, so that its thread is there for the next."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from support.patience import HANG

from local.processes import free_ports

SOURCE = """
import functions_framework

@functions_framework.http
def answer(request):
    while request.args.get("for") == "ever":
        pass
    return "done"
"""


@contextmanager
def served(folder: Path, threads: int) -> Iterator[str]:
    """Serve the function as it is deployed, with a second for each call; return its address."""
    source, [port] = folder / "main.py", free_ports(1)
    source.write_text(SOURCE)
    command = [sys.executable, "-m", "functions_framework", f"--source={source}", "--target=answer"]
    limits = {"THREADS": str(threads), "CLOUD_RUN_TIMEOUT_SECONDS": "1", "THREADED_TIMEOUT_ENABLED": "true"}
    with subprocess.Popen([*command, f"--port={port}"], env=os.environ | limits) as process:
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def session() -> requests.Session:
    session = requests.Session()
    retries = requests.adapters.Retry(total=None, connect=int(HANG * 5), backoff_factor=0.05, backoff_max=0.2)
    session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retries))
    return session


def test_calls_that_compute_for_ever_leave_their_threads_to_others(
    tmp_path: Path, session: requests.Session
) -> None:
    with served(tmp_path, threads=2) as url, ThreadPoolExecutor(2) as pool:
        assert session.get(url, timeout=HANG).text == "done"
        for _ in range(2):
            lost = pool.map(lambda _: session.get(f"{url}?for=ever", timeout=HANG).status_code, range(2))
            assert list(lost) == [500, 500]
        assert session.get(url, timeout=HANG).text == "done"
