"""The names that only the collection of a sync has."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from ctadata.entries import Entry
from ctadata.errors import NotDeleted, NotFound, Unnameable, UsageError
from ctadata.namespace.remove import remove
from ctadata.paths import to_nfc
from ctadata.stores.channel import for_each
from ctadata.stores.optional import find_or_none
from ctadata.transfer.download_tree import for_each_entry
from ctadata.transfer.extraneous import Extraneous, ExtraneousNames, SecondLook
from ctadata.transfer.local_entries import NOT_EMPTY
from ctadata.transfer.local_tree import UploadSource
from ctadata.transfer.partial_file import local_errors
from ctadata.versions import is_other_version


class RemoteExtraneous(ExtraneousNames):
    """The names that exist on the storage and not locally."""

    def compare(self, source: UploadSource, others: list[Entry]) -> None:
        """Take the entries of a collection that its local directory has not.

        Args:
            source: The local directory and its collection.
            others: These entries.
        """
        assert source.tree is not None
        tree = source.tree
        self._add(_remote(entry, source.inside, tree) for entry in others)

    def _entries_below(self, item: Extraneous) -> list[Extraneous] | None:
        entries: list[Extraneous] = []
        parts = (*item.parts, item.remote.name)
        try:
            for_each_entry(
                self.run, item.remote, lambda entry: entries.append(_remote(entry, item.inside, item.base, parts))
            )
        except Unnameable as error:
            self.run.fail(error, item.remote)
            self.keep_counterparts(item.remote, error)
        if entries or self.trust_empty:
            return entries
        self._distrust()
        return None

    def look_again(self, items: Sequence[Extraneous]) -> SecondLook:
        """List the local directory and the collection."""
        folder, wanted = items[0].base.joinpath(*items[0].parts), {item.remote.name for item in items}
        spell = to_nfc if self.run.rules.normalize else str
        at_source, at_target = set[str](), dict[tuple[str, bool], Entry]()
        with local_errors(folder), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            at_source = wanted.intersection(map(spell, os.listdir(folder)))  # noqa: PTH208

        def take(entry: Entry) -> None:
            if entry.path.name in wanted:
                at_target[entry.path.name, entry.is_directory] = entry

        try:
            for_each(self.run.store.list(items[0].remote.parent), take)
        except Unnameable as error:
            self.keep_counterparts(items[0].remote.parent, error)
        except NotFound:
            pass
        return SecondLook(at_source, at_target)

    def _delete_unchanged(self, item: Extraneous, listed: Entry | None) -> bool:
        assert isinstance(item.seen, Entry)
        store = self.run.store
        if item.directory and item.seen.has_twin:
            listed = None  # `Store.delete` finds the file of this name
        now = listed or find_or_none(store, item.remote)  # a listing of dCache may be empty by mistake
        if now is None:
            return True
        if now.is_directory != item.directory or not (item.directory or _is_same(now, item.seen)):
            return False
        try:
            # `Store.delete` lists a directory once more, and refuses if it holds anything
            store.delete(item.remote, directory=True) if item.directory else remove(store, now, is_fresh=True)
        except NotFound:
            # a directory without an entry of its own, as on S3, ends with its last file
            may_stay = store.features.has_directories or not item.directory
            if may_stay and find_or_none(store, item.remote) is not None:
                raise
        except UsageError as error:
            if not item.directory:
                raise
            raise NotDeleted(NOT_EMPTY) from error
        return True


def _is_same(now: Entry, seen: Entry) -> bool:
    return now.mtime == seen.mtime and not is_other_version(now, seen)


def _remote(entry: Entry, above: tuple[str, ...], base: Path, parts: tuple[str, ...] = ()) -> Extraneous:
    return Extraneous(entry.path, entry, (*above, entry.path.name), base, parts)
