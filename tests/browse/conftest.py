"""The browser of files at a sandbox, driven by Textual's pilot in this process."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.agent_token import give_token
from textual import events
from textual.pilot import Pilot

from ctadata.browse.app import Browser, Start
from ctadata.browse.pane import Pane
from ctadata.config.resolve import resolve_profile
from ctadata.sandbox import Sandbox
from ctadata.session import Session

SIZE = (80, 24)
PATIENCE = 300.0


class Desk:
    """A running browser, with the waits that a test needs."""

    def __init__(self, browser: Browser, pilot: Pilot[None]) -> None:
        self.browser, self.pilot = browser, pilot
        self.left, self.right = browser.left, browser.right

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not holds():
                    assert self.browser.failure is None, self.browser.failure
                    await self.pilot.pause(0.01)
        except TimeoutError:
            raise AssertionError("\n".join([*self.screen, *self.said])) from None

    async def listed(self, pane: Pane, path: str) -> None:
        """Wait until a pane shows a directory, whole."""
        await self.until(lambda: str(pane.path) == path and "listing" not in pane.words)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def burst(self, *keys: str) -> None:
        """Press keys without any pause: each is there before the one before it has done anything."""
        for key in keys:
            self.browser.post_message(events.Key(key, key if len(key) == 1 else None))
        await self.pilot.pause()

    async def dialog(self, kind: str) -> Any:
        """Wait for a dialog of this class, and return it."""
        await self.until(lambda: type(self.browser.screen).__name__ == kind)
        await self.pilot.pause()
        return self.browser.screen

    async def cursor_on(self, pane: Pane, name: str) -> None:
        """Put the cursor on a name, once the pane shows it."""
        await self.until(lambda: name in self.names(pane))
        pane.table.cursor = self.names(pane).index(name)
        pane.table.focus()
        await self.pilot.pause()

    async def fill(self, text: str) -> None:
        """Type a text into the field of the dialog that comes, and Enter."""
        dialog = await self.dialog("Ask")
        dialog.query_one("Input").value = text
        await self.press("enter")

    async def over(self) -> None:
        """Wait until no transfer is left, and the screen shows it."""
        await self.until(lambda: not self.browser.transfers.unfinished)
        await self.until(
            lambda: any(job.title in words for job in self.browser.transfers.jobs[-1:] for words in self.said)
        )

    def names(self, pane: Pane) -> list[str]:
        """The names of a pane's rows."""
        return [entry.path.name if entry else ".." for entry in pane.table.rows]

    @property
    def screen(self) -> list[str]:
        """The lines that the terminal shows."""
        strips = self.browser.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip) for strip in strips]

    @property
    def said(self) -> list[str]:
        """The words of the notices so far."""
        return [str(notice.message) for notice in self.browser._notifications]


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(approve=True, write_anywhere=True) as box:
        yield box


@pytest.fixture
def settings(box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings with the sandbox under two names, and a token for each."""
    path = tmp_path / "settings.toml"
    path.write_text(f'default = "sandbox"\n{box.profile_toml()}{box.profile_toml("other")}')
    monkeypatch.setenv("CTADATA_CONFIG", str(path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("sandbox", "other"):
        give_token(name, box.token(lifetime=600), tmp_path / "state" / "ctadata")
    return path


@pytest.fixture
def local() -> Iterator[Path]:
    """The directory of the left pane; its path is short, so that pictures show the end of it."""
    with tempfile.TemporaryDirectory(prefix="plots-") as path:
        yield Path(path)


Drive = Callable[..., None]


@pytest.fixture
def drive(settings: Path, local: Path) -> Drive:
    """`drive(script, "/lst/x")` runs the browser, the right pane in that directory, while `script(desk)` uses it."""

    def open_session(profile: str, stop: threading.Event) -> Session:
        return Session.open(resolve_profile(profile), stop=stop)

    def drive(
        script: Callable[[Desk], Awaitable[None]],
        path: str,
        left: Start | None = None,
        size: tuple[int, int] = SIZE,
        profile: str = "sandbox",
    ) -> None:
        places = left or Start(None, str(local)), Start(profile, path)
        browser = Browser(open_session, resolve_profile().known, *places, threading.Event())
        failures: list[BaseException] = []

        async def pilot_it(pilot: Pilot[None]) -> None:
            try:
                await script(Desk(browser, pilot))
            except BaseException as error:
                failures.append(error)
            browser.exit()

        try:
            browser.run(headless=True, size=size, auto_pilot=pilot_it)
        finally:
            browser.close()
        for error in [*failures, *([browser.failure] if browser.failure else [])]:
            raise error

    return drive
