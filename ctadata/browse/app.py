"""The screen of `browse`: two panes, the queue of transfers below, and one line with the command that does the same."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from textual import events, on, work
from textual.actions import SkipAction
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from ctadata.browse import command_lines
from ctadata.browse.dialogs import Choose, Question, Read
from ctadata.browse.entry_table import EntryTable, fit
from ctadata.browse.file_actions import ACTIONS, ASKING
from ctadata.browse.help_text import HELP
from ctadata.browse.pane import Pane
from ctadata.browse.places import Here, OpenSession, Place, Site
from ctadata.browse.transfers import Job, JobState, Transfers
from ctadata.errors import CtadataError, Stopped
from ctadata.printable import escape_unprintable

T = TypeVar("T")
THREADS = 32
"""The largest number of listings and changes in work at a time; a server that is gone holds some for a while."""
EVERY = 0.25
"""Seconds between two pictures of the queue."""
BAR = 8
"""The width of a transfer's bar, in cells."""


@dataclass(frozen=True, slots=True)
class Start:
    """What a pane shows first.

    Attributes:
        profile: The profile; None: this machine.
        path: The directory as the user typed it; None: the home.
    """

    profile: str | None = None
    path: str | None = None


class Browser(App[None]):
    """Two panes of files."""

    TITLE = "cta-data-direct browse"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #panes { height: 1fr; }
    #transfers { height: auto; max-height: 4; }
    #line { height: 1; color: $text-muted; }
    ToastRack { margin-bottom: 6; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1,question_mark", "help", "Help", key_display="F1"),
        Binding("f3,i", "file('about')", "Info", key_display="F3"),
        Binding("f5,c", "file('copy')", "Copy", key_display="F5"),
        Binding("f6,r", "file('rename')", "Move", key_display="F6"),
        Binding("f7,n", "file('mkdir')", "Dir", key_display="F7"),
        Binding("f8,delete,d", "file('delete')", "Del", key_display="F8"),
        Binding("f9,p", "place", "Site", key_display="F9"),
        Binding("s", "file('share')", show=False),
        Binding("t", "file('stage')", "Tape", key_display="t"),
        Binding("x", "transfers", "Jobs", key_display="x"),
        Binding("f10,q", "leave", "Quit", key_display="F10"),
        Binding("ctrl+q,ctrl+c", "leave", show=False, priority=True),
        Binding("tab", "other", show=False, priority=True),
        Binding("z", "zoom", show=False),
    ]

    def __init__(
        self, open_session: OpenSession, profiles: Sequence[str], left: Start, right: Start, stop: threading.Event
    ) -> None:
        """Prepare the screen; nothing is contacted yet.

        Args:
            open_session: Opens the session of a profile.
            profiles: The names of all profiles.
            left: What the left pane shows.
            right: What the right pane shows.
            stop: Ends the application.
        """
        super().__init__()
        self.open_session, self._profiles, self._stop = open_session, list(profiles), stop
        self._places: list[Site] = []
        self.left = Pane(self._place(left.profile), left.path, id="left")
        self.right = Pane(self._place(right.profile), right.path, id="right")
        self.transfers = Transfers(self._job_ended)
        self.failure: Exception | None = None
        self._closing = False

    def _handle_exception(self, error: Exception) -> None:
        """End with an unexpected error; Textual would print the values of all variables, tokens among them."""
        self.failure = self.failure or error
        self._exception = error
        self.exit(return_code=1)

    def _place(self, profile: str | None) -> Place:
        if profile is None:
            return Here()
        self._places.append(Site(profile, self.open_session))
        return self._places[-1]

    async def on_event(self, event: events.Event) -> None:
        """Do at once what a key does in a table: on its way up through the widgets it could meet a later dialog."""
        if isinstance(event, events.Key) and not event.is_forwarded and isinstance(self.focused, EntryTable):
            if not await self._check_bindings(event.key, priority=True):
                await self._check_bindings(event.key)
        else:
            await super().on_event(event)

    def compose(self) -> ComposeResult:
        """Make the parts."""
        with Horizontal(id="panes"):
            yield self.left
            yield self.right
        yield Static("", id="transfers", markup=False)
        yield Static("", id="line", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Start the clock of the queue."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
        self.right.table.focus()
        self.set_interval(EVERY, self._tick)

    @property
    def here(self) -> Pane:
        """The pane with the focus."""
        return self.left if self.left.has_focus_within else self.right

    @property
    def there(self) -> Pane:
        """The other pane."""
        return self.right if self.here is self.left else self.left

    def _tick(self) -> None:
        if self._stop.is_set():
            self.exit()
        elif self.transfers.unfinished:
            self._draw_transfers()

    def show_line(self, line: str) -> None:
        """Show the command line that does the same."""
        self.query_one("#line", Static).update(f"$ {line}", layout=False)

    def show_error(self, error: CtadataError) -> None:
        """Show an error for some seconds."""
        self.notify(escape_unprintable(str(error)), severity="error", timeout=12, markup=False)

    async def ask(self, dialog: ModalScreen[T]) -> T:
        """Show a dialog, and return its result."""
        return await self.push_screen_wait(dialog)

    def add_job(self, job: Job) -> None:
        """Put a transfer into the queue."""
        self.transfers.add(job)
        self._draw_transfers()

    def on_pane_listed(self, event: Pane.Listed) -> None:
        """Show the command line of a listing."""
        if event.error is None and event.walked and event.pane is self.here:
            self.show_line(command_lines.list_line(event.pane.place.profile, event.pane.path))
        elif event.error is not None and not self._closing:
            self.show_error(event.error)

    @on(EntryTable.Opened)
    def show_file(self) -> None:
        """Show what is known about a file."""
        self.action_file("about")

    def action_other(self) -> None:
        """Go to the other pane; in a dialog, the key goes to the next answer."""
        if isinstance(self.screen, ModalScreen):
            raise SkipAction
        self.there.table.focus()

    def action_zoom(self) -> None:
        """Give the whole width to the pane with the focus, or share it again."""
        self.there.display = not self.there.display

    def action_help(self) -> None:
        """Show which key does what."""
        self.push_screen(Read("Keys", HELP))

    def action_file(self, name: str) -> None:
        """Do one of the actions on files."""
        if name not in ASKING:
            self.run_worker(self._do(ACTIONS[name](self)))
            return
        try:
            dialog, answered = ASKING[name](self)
        except CtadataError as error:
            self.show_error(error)
            return

        def close(text: str | None) -> None:
            if text:
                self.run_worker(self._do(answered(text)))

        self.push_screen(dialog, close)

    async def _do(self, action: Coroutine[Any, Any, None]) -> None:
        """Wait for an action; an error is shown, and ends it."""
        try:
            await action
        except Stopped:
            return
        except CtadataError as error:
            self.show_error(error)

    def list_again(self, place: Place, select: str | None = None) -> None:
        """List the panes of a place again."""
        for pane in (self.left, self.right):
            if pane.place.profile == place.profile:
                current = pane.table.current
                name = select if select and pane is self.here else current.path.name if current else None
                pane.go(pane.path, name)

    @work
    async def action_place(self) -> None:
        """Let the pane show another place."""
        pane, names = self.here, [None, *self._profiles]
        lines = ["this machine", *(escape_unprintable(name) for name in self._profiles)]
        chosen = names.index(pane.place.profile) if pane.place.profile in names else 0
        number = await self.push_screen_wait(Choose("Show in this pane", lines, chosen))
        if number is not None:
            pane.open_place(self._place(names[number]))

    @work
    async def action_transfers(self) -> None:
        """Show the queue; Enter stops a transfer that is not over, and shows what is known about one that is."""
        jobs = self.transfers.jobs
        if not jobs:
            self.notify("no transfers yet: F5 copies", markup=False)
            return
        number = await self.push_screen_wait(
            Choose(
                "Transfers: Enter stops one, or shows how it ended", [f"{job.title}: {job.progress}" for job in jobs]
            )
        )
        if number is None:
            return
        job = jobs[number]
        if job in self.transfers.unfinished:
            job.stop.set()
        else:
            await self.push_screen_wait(Read(job.title, "\n".join([job.progress, *job.messages]), job.line))

    def _job_ended(self, job: Job) -> None:
        """Draw the end of a transfer; called in the thread of the queue."""
        if not self._closing:
            self.call_from_thread(self._show_end, job)

    def _show_end(self, job: Job) -> None:
        self._draw_transfers()
        severity = "error" if job.state is JobState.FAILED else "warning" if job.messages else "information"
        self.notify(f"{job.title}: {job.progress}", severity=severity, timeout=8, markup=False)  # type: ignore[arg-type]
        for pane in (self.left, self.right):
            if not pane.words:
                pane.refresh_listing()

    def _draw_transfers(self) -> None:
        """Draw the transfers that are not over, and the last one that is."""
        jobs = self.transfers.unfinished or self.transfers.jobs[-1:]
        width = max(20, self.size.width)
        lines = [fit(_job_line(job), width) for job in jobs[:3]]
        if len(jobs) > 3:
            lines.append(f"and {len(jobs) - 3} more")
        self.query_one("#transfers", Static).update("\n".join(lines))

    @work
    async def action_leave(self) -> None:
        """End; ask first if transfers are not over."""
        if left := len(self.transfers.unfinished):
            title = f"{'A transfer is' if left == 1 else f'{left} transfers are'} not over. Stop and leave?"
            line = "the same command continues later where it stopped"
            if await self.push_screen_wait(Question(title, [], line, "Leave", "Cancel")) != "leave":
                return
        self.exit()

    def on_unmount(self) -> None:
        """End what waits for a server: the threads of the listings have to end before the application does."""
        self._closing = True
        for place in self._places:
            place.interrupt()
        for job in self.transfers.unfinished:
            job.stop.set()

    def close(self) -> None:
        """Stop the transfers and the requests, and close the connections; the screen is gone already."""
        for place in self._places:
            place.close()
        self.transfers.close()


def _job_line(job: Job) -> str:
    if job.state is not JobState.RUNNING:
        return f"{job.title}: {job.progress}"
    snapshot = job.snapshot
    full = round(BAR * snapshot.moved / snapshot.size) if snapshot.size else 0
    return f"{'█' * full}{'░' * (BAR - full)} {job.progress}: {job.title}"
