"""The pictures of the guide, from real runs at a sandbox.

`CTADATA_WRITE_PICTURE=1 .venv/bin/python -m pytest -n0 --full tests/browse -k "picture or person"` writes them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ctadata.sandbox import Sandbox, faults

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
WRITE = bool(os.environ.get("CTADATA_WRITE_PICTURE"))
pytestmark = pytest.mark.full


def save(desk, name: str) -> None:
    """Write the screen as an SVG, without the fonts that it would fetch from the Internet."""
    picture = re.sub(r"@font-face \{.*?\}", "", desk.browser.export_screenshot(), flags=re.DOTALL)
    assert "</svg>" in picture
    if WRITE:
        (GUIDES / name).write_text("\n".join(line.rstrip() for line in picture.splitlines()) + "\n")


def test_the_pictures_of_the_guide(drive, box: Sandbox, local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("events.h5", 48_300_000), ("calibration.h5", 1_234_567), ("notes.txt", 812)):
        box.files.put(f"/lst/run1/{name}", bytes(size), mtime=1_780_000_000.0)
    for name in ("raw/a", "plots/a"):
        box.files.put(f"/lst/run1/{name}", b"")
    box.tape.archive("/lst/run1/calibration.h5")
    for name in ("analysis.py", "spectrum.png"):
        (local / name).write_bytes(bytes(40_000))
        os.utime(local / name, (1_780_000_000, 1_780_000_000))
    monkeypatch.chdir(local)
    stalled = box.faults.add("pool", "GET", "/lst/run1/events.h5", faults.Stall(after=1 << 25))

    async def script(desk) -> None:
        await desk.listed(desk.left, str(local))
        await desk.listed(desk.right, "/lst/run1")
        await desk.cursor_on(desk.right, "events.h5")
        await desk.press("space", "space")
        save(desk, "browse-panes.svg")
        await desk.press("escape")
        await desk.cursor_on(desk.right, "events.h5")
        await desk.press("f5")
        await desk.dialog("Question")
        await desk.press("enter")
        await desk.until(lambda: any("3" in line and " of 46.1 MiB" in line for line in desk.screen))
        save(desk, "browse-copy.svg")
        await desk.press("f3")
        await desk.dialog("Read")
        save(desk, "browse-details.svg")
        await desk.press("escape")
        stalled.release()
        stalled.remove()
        await desk.over()

    drive(script, "/lst/run1", None, (100, 24))
    assert (local / "events.h5").stat().st_size == 48_300_000
