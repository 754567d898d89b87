"""A page printed by a browser of this machine: Chromium or Chrome, without a window or a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from ..errors import InputError

#: Commands that print, the first one that is found.
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
#: Seconds that drawing and printing may take.
_LONGEST: Final = 300
_SWITCHES: Final = (
    *("--headless", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking"),
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--no-pdf-header-footer", "--virtual-time-budget=120000"),
)


def browser() -> str:
    """The command of a browser that prints.

    Raises:
        InputError: none is installed.
    """
    if (found := next(filter(None, map(shutil.which, BROWSERS)), None)) is None:
        raise InputError.of("--pdf", "needs Chromium or Chrome, and neither is installed", "apt-get install chromium")
    return found


def print_page(page: Path, pdf: Path) -> None:
    """Print an HTML file: light, all of it opened and drawn.

    Raises:
        InputError: no browser is installed, or it does not print.
    """
    with tempfile.TemporaryDirectory() as profile:
        printed = Path(profile, "page.pdf")
        command = [browser(), *_SWITCHES, f"--user-data-dir={profile}", f"--print-to-pdf={printed}"]
        command += ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []  # it refuses root otherwise
        try:
            done = subprocess.run(
                [*command, f"{page.resolve().as_uri()}#print"], capture_output=True, timeout=_LONGEST, check=False
            )
            reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = str(error)
        if not printed.is_file():
            raise InputError.of("--pdf", f"{command[0]} did not print the page: {reason}", "print it from a browser")
        shutil.move(printed, pdf)
