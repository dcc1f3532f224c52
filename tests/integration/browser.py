"""Debian's Chromium without a network, for the tests of pages; what they looked at is kept as pictures."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from support.patience import HANG

MILLISECONDS = HANG * 1000
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SHOTS = Path(__file__).parents[2] / ".local" / "screenshots"
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--use-angle=swiftshader",  # WebGL without a graphics card
    "--enable-unsafe-swiftshader",
]
WINDOWS = {"desktop": (1280, 900), "phone": (390, 844)}

LARGE_AND_SMALL = ["desktop", pytest.param("phone", marks=pytest.mark.extra)]

needed = pytest.mark.skipif(
    CHROMIUM is None, reason="NO CHROMIUM ON THIS MACHINE (apt-get install chromium): pages are not looked at"
)


@contextmanager
def launched() -> Iterator[Browser]:
    """Run a browser while the block runs."""
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=CHROMIUM, args=FLAGS, env=dict(os.environ), timeout=MILLISECONDS
        )


@contextmanager
def opened(browser: Browser, path: Path, window: str = "desktop") -> Iterator[Page]:
    """Open a page from disk, offline; whatever the console says, or the network is asked for, fails."""
    width, height = WINDOWS[window]
    context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
    context.set_default_timeout(MILLISECONDS)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on(
        "request",
        lambda asked: None if asked.url.startswith(("file:", "data:", "blob:")) else said.append(asked.url),
    )
    page.goto(path.as_uri())
    yield page
    context.close()
    assert said == [], said


def keep(page: Page, picture: str, *, whole: bool = True) -> None:
    """Keep the page, or only what the window shows of it, as a picture to look at."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{picture}.png", full_page=whole)
