"""The actions on files: each asks what it has to ask, shows the command line that does the same, and does it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from ctadata.browse import command_lines
from ctadata.browse.dialogs import Ask, Question, Read
from ctadata.browse.entry_table import local_time
from ctadata.browse.pane import Pane
from ctadata.browse.places import Amount, LocalLink, OpenSession, Place, Site, check_target, require_site, shown_name
from ctadata.browse.transfers import Job, Work, transfer_work
from ctadata.entries import Entry
from ctadata.errors import UsageError
from ctadata.printable import escape_unprintable
from ctadata.progress import units

T = TypeVar("T")
IN_LINE = 3
"""The largest number of names in the command line of a question."""


class Desk(Protocol):
    """What the actions need of the application."""

    @property
    def here(self) -> Pane:
        """The pane with the focus."""

    @property
    def there(self) -> Pane:
        """The other pane."""

    @property
    def open_session(self) -> OpenSession:
        """Opens the sessions of transfers."""

    def show_line(self, line: str) -> None:
        """Show a command line."""

    async def ask(self, dialog: Any) -> Any:
        """Show a dialog, and return its result."""

    def add_job(self, job: Job) -> None:
        """Put a transfer into the queue."""

    def list_again(self, place: Place, select: str | None = None) -> None:
        """List the panes that show a place again."""


Answered = Callable[[str], Coroutine[Any, Any, None]]
"""Does what the user wants with the text of a field."""


async def copy(desk: Desk) -> None:
    """Copy what is marked into the directory of the other pane."""
    source, target, into = desk.here, desk.there, desk.there.path
    origin, destination, entries = source.place, target.place, _chosen(desk)

    def work(*, keep: bool) -> Work:
        return transfer_work(desk.open_session, origin, entries, destination, into, keep=keep)

    work(keep=False)  # raises what cannot be copied before anything is asked
    through = await asyncio.to_thread(_passes_through, origin, destination)

    def line(some: Sequence[Entry], *, keep: bool) -> str:
        return command_lines.transfer_line(origin.profile, some, destination.profile, into, keep=keep, through=through)

    to = escape_unprintable(command_lines.spell(destination.profile, into, slash=True))
    title = f"Copy {units.names(len(entries))} to {to} ?\nA file there that differs is replaced."
    links = [entry for entry in entries if isinstance(entry, LocalLink)]
    if links:
        title += "\nA link is followed: what it leads to is copied."
    others = [entry for entry in entries if not isinstance(entry, LocalLink)]
    short = _shorten(entries, lambda some: line(some, keep=False))
    answer = await desk.ask(Question(title, names([*links, *others]), short, "Copy", "Keep existing", "Cancel"))
    if answer is None:
        return
    keep = answer == "keep existing"
    desk.show_line(line(entries, keep=keep))
    source.clear_marks()
    desk.add_job(Job(f"{_title(entries)} to {to}", line(entries, keep=keep), work(keep=keep)))


def _passes_through(source: Place, target: Place) -> bool:
    """Return whether the bytes of a copy between two sites pass through this machine."""
    if not (isinstance(source, Site) and isinstance(target, Site)):
        return False
    from ctadata.site_copy import must_pass_through

    return must_pass_through(source.session, target.session)


def rename(desk: Desk) -> tuple[Ask, Answered]:
    """Rename the entry under the cursor, or move what is marked within its storage."""
    pane, other, entries = desk.here, desk.there, _chosen(desk)
    place, path, many = pane.place, pane.path, len(entries) > 1
    elsewhere = place.profile == other.place.profile and pane.path != other.path
    first = f"{other.path}/".replace("//", "/") if elsewhere else "" if many else entries[0].path.name

    async def answered(text: str) -> None:
        target = check_target(place, path, text)
        desk.show_line(command_lines.rename_line(place.profile, entries, target))
        await asyncio.to_thread(place.rename, entries, target)
        desk.list_again(place, None if many else target.name)

    return Ask(f"Rename or move {_title(entries)}: a name, or a path from /", first), answered


def make_directory(desk: Desk) -> tuple[Ask, Answered]:
    """Make a directory in the pane."""
    place, path = desk.here.place, desk.here.path

    async def answered(text: str) -> None:
        new = check_target(place, path, text)
        desk.show_line(command_lines.mkdir_line(place.profile, new))
        await asyncio.to_thread(place.make_directory, new)
        desk.list_again(place, new.name)

    return Ask("The name of the new directory"), answered


async def delete(desk: Desk) -> None:
    """Count what is marked, ask, and delete it."""
    pane, entries = desk.here, _chosen(desk)
    place = pane.place
    with pane.words_during("counting …"):
        amount = await asyncio.to_thread(place.measure, entries)
    line = command_lines.delete_line(place.profile, entries)
    short = _shorten(entries, lambda some: command_lines.delete_line(place.profile, some))
    title = f"Delete {_count(amount)}?\n{'What a link leads to stays. ' if amount.links else ''}There is no way back."
    if await desk.ask(Question(title, names(entries), short, "Delete", "Cancel", danger=True)) != "delete":
        return
    desk.show_line(line)
    pane.clear_marks()
    try:
        for entry in entries:
            await asyncio.to_thread(place.delete, entry)
    finally:
        desk.list_again(place)


def _count(amount: Amount) -> str:
    """Return what is deleted, in words."""
    links = "1 link" if amount.links == 1 else f"{amount.links} links"
    if amount.links and not amount.files and not amount.directories:
        return links
    where = f" in {units.directories(amount.directories)}" if amount.directories else ""
    files = f"{units.files(amount.files)}{where}, {units.size(amount.size)}"
    return f"{files}, and {links}" if amount.links else files


async def show_details(desk: Desk) -> None:
    """Show all that is known about the entry under the cursor."""
    place, entry = desk.here.place, desk.here.table.current
    if entry is None:
        return
    line = command_lines.about_line("stat", place.profile, [entry])
    desk.show_line(line)
    known = await asyncio.to_thread(place.describe, entry)
    await desk.ask(Read(names([entry])[0], "\n".join(details(entry, known)), line))


def details(entry: Entry, known: Mapping[str, str]) -> list[str]:
    """Return a line for each thing that is known about an entry, safe for a terminal."""
    size = "" if entry.size is None else f"{entry.size} ({units.size(entry.size)})"
    values = {"kind": str(entry.kind), "size": size, "time": local_time(entry.mtime, wide=True), **known}
    width = max(map(len, values))
    return [f"{name:<{width}}  {escape_unprintable(value)}" for name, value in values.items() if value]


async def stage(desk: Desk) -> None:
    """Request the marked files from tape."""
    pane = desk.here
    site = require_site(pane.place, "stage")
    entries = [entry for entry in _chosen(desk) if not entry.is_directory]
    line = command_lines.about_line("stage", site.profile, entries)
    desk.show_line(line)
    with pane.words_during("asking …"):
        request, count = await asyncio.to_thread(site.stage, entries)
    status = command_lines.join([command_lines.PROGRAM, "-P", site.name, "stage-status", request])
    words = f"{units.files(count)} requested. This line shows when they are on disk:\n\n$ {status}"
    await desk.ask(Read("From tape to disk", words, line))
    pane.refresh_listing()


async def share(desk: Desk) -> None:
    """Make a link to the entry under the cursor."""
    site, entry = require_site(desk.here.place, "a link"), desk.here.table.current
    if entry is None:
        return
    line = command_lines.about_line("share", site.profile, [entry])
    title = f"Make a link to {names([entry])[0]} ?\nFor an hour, everybody who has it can read it."
    if await desk.ask(Question(title, [], line, "Make", "Cancel")) != "make":
        return
    desk.show_line(line)
    link = await asyncio.to_thread(site.share, entry)
    title = "For an hour, everybody who has this link can use it:"
    await desk.ask(Read(title, f"\n{link.url}\n", line, link.url))


ACTIONS: Mapping[str, Callable[[Desk], Coroutine[Any, Any, None]]] = {
    "copy": copy,
    "delete": delete,
    "about": show_details,
    "stage": stage,
    "share": share,
}
"""The actions by the names that the keys call them by."""

ASKING: Mapping[str, Callable[[Desk], tuple[Ask, Answered]]] = {"rename": rename, "mkdir": make_directory}
"""The actions that begin with a field: the dialog, and what is done with its text. They wait for nothing before the
dialog, so that the next key is the dialog's."""


def _shorten(entries: Sequence[Entry], line: Callable[[Sequence[Entry]], str]) -> str:
    """Return the command line of the first entries, and how many more there are."""
    more = len(entries) - IN_LINE
    return line(entries) if more <= 0 else f"{line(entries[:IN_LINE])}  ... and {more} more"


def _chosen(desk: Desk) -> list[Entry]:
    chosen = desk.here.table.chosen
    if not chosen:
        raise UsageError("nothing is marked, and the cursor is on no file")
    return list(chosen)


def _title(entries: Sequence[Entry]) -> str:
    return names(entries)[0] if len(entries) == 1 else units.names(len(entries))


def names(entries: Sequence[Entry]) -> list[str]:
    """Return the names of entries, as a question shows them."""
    return [shown_name(entry) for entry in entries]
