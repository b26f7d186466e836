"""CtaFileSystem: the storage for every library that opens files through fsspec."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.spec import AbstractFileSystem
from fsspec.utils import isfilelike, stringify_path

from ctadata.errors import AlreadyExists, Changed, CtadataError, NotFound, Unsupported, UsageError
from ctadata.filesystem import names, transfers
from ctadata.filesystem.listings import ListingFileSystem
from ctadata.filesystem.os_errors import as_os_error, raise_os_errors
from ctadata.filesystem.read_file import CtaFile
from ctadata.filesystem.sessions import Place
from ctadata.filesystem.write_file import CtaWriter, open_layers
from ctadata.namespace.mkdir import exists as is_there
from ctadata.namespace.mkdir import make_directory
from ctadata.namespace.remove import refuse_home, remove_empty
from ctadata.paths import RemotePath
from ctadata.stores.ranged_file import RangedFile
from ctadata.stores.read_pieces import Piece, read_pieces
from ctadata.stores.sharing import Shares
from ctadata.transfer.streams import stream_to

MODES = ("r", "rb", "rt", "w", "wb", "wt", "x", "xb", "xt")
"""The modes of `open`."""


class CtaFileSystem(ListingFileSystem):
    """The storage of a profile. See the help of `ctadata.filesystem`.

    It has no thread, no event loop, no cache of listings, and no method `close`: uproot would call it.
    """

    # Reading

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: Any = None,
        autocommit: bool = True,
        cache_options: Any = None,  # noqa: ARG002
        cache_type: str = "",
        stage: bool = False,
        **_: Any,
    ) -> CtaFile | CtaWriter:
        place = self._place
        with raise_os_errors(IsADirectoryError):
            where = self._path(path)
            if mode == "rb":
                if stage:
                    names.bring_from_tape(place, where)
                file = RangedFile(lambda: self._place.store, where)
                try:
                    return CtaFile(self, path, file, block_size if isinstance(block_size, int) else None, cache_type)
                except BaseException as error:
                    file.close()
                    if isinstance(error, NotFound):
                        names.refuse_directory(place, where)
                    raise
            if mode == "xb" and is_there(place.store, where):
                raise AlreadyExists("the name is taken", path=path)
        upload = functools.partial(names.publish, place, target=where, new=mode == "xb")
        return CtaWriter(self, path, mode, raise_os_errors()(upload), autocommit=autocommit)

    def open(self, path: Any, mode: str = "rb", *args: Any, **kwargs: Any) -> Any:
        """Open a file, as the built-in `open` does.

        Args:
            mode: `rb`, `r`, `wb`, `w`, `xb` or `x`. A file that is written appears when it is closed, whole and
                verified, and not at all if its block raised.
            block_size, cache_type: Hints, which mostly need not be given.
            stage: Bring a file on tape to disk first, and wait for it; without it such a file is an error.
            compression, encoding, errors, newline: As fsspec has them.
        """
        self._strip_own(path)
        if mode not in MODES:
            words = f"mode {mode!r} is not possible: a file is read, or written anew"
            raise as_os_error(Unsupported(words, hint=f"the modes are {', '.join(MODES)}", path=stringify_path(path)))
        if "r" in mode or ("b" in mode and kwargs.get("compression") is None):
            return super().open(path, mode, *args, **kwargs)
        return open_layers(
            functools.partial(super().open, path, mode[0] + "b", *args), self._strip_protocol(path), mode, kwargs
        )

    def cat_file(self, path: Any, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """Return a file, verified; or its bytes from `start` up to `end`, negative ones counted from the end."""
        return self._read([path], [start], [end], raises=True)[0]  # type: ignore[no-any-return]

    def cat_ranges(
        self,
        paths: list[Any],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,  # noqa: ARG002  (near ones are read together anyway)
        on_error: str = "return",
        **_: Any,
    ) -> list[Any]:
        """Return the bytes of many ranges of many files, several at a time; an error stands in its range's place."""
        starts = starts if isinstance(starts, Sequence) else [starts] * len(paths)
        ends = ends if isinstance(ends, Sequence) else [ends] * len(paths)
        if not len(starts) == len(ends) == len(paths):
            raise ValueError("as many starts and ends as paths are wanted")
        return self._read(paths, starts, ends, raises=on_error != "return")

    def cat(self, path: Any, recursive: bool = False, on_error: str = "raise", **_: Any) -> Any:
        """Return a file, or a dictionary of those that a list, a pattern or, with `recursive`, a directory means."""
        paths = self.expand_path(path, recursive=recursive)
        if recursive:
            paths = [each for each in paths if each not in self._directories(paths)]
        if isinstance(path, str) and paths == [self._strip_protocol(self._from_root(path))]:
            return self.cat_file(paths[0])
        found = self._read(paths, [None] * len(paths), [None] * len(paths), raises=on_error == "raise")
        pairs = zip(paths, found, strict=True)
        return {name: content for name, content in pairs if on_error == "return" or isinstance(content, bytes)}

    def _directories(self, paths: Sequence[str]) -> set[str]:
        return {path for path in paths if any(other.startswith(path + "/") for other in paths) or self.isdir(path)}

    def _read(self, paths: Sequence[Any], starts: Sequence[Any], ends: Sequence[Any], *, raises: bool) -> list[Any]:
        place = self._place
        asked = [names.resolve(place, self._strip_own(path)) for path in paths]
        found = _read_all(place, asked, starts, ends)
        for number, content in enumerate(found):
            if isinstance(content, Changed):  # between two calls, which a new look settles
                where = asked[number]
                place.kept.pop(where, None)
                found[number] = _read_all(place, [where], [starts[number]], [ends[number]])[0]
        results = [as_os_error(each, IsADirectoryError) if isinstance(each, CtadataError) else each for each in found]
        for result in results:
            if raises and isinstance(result, CtadataError):
                raise result
        return results

    # Transfers

    @raise_os_errors(IsADirectoryError)
    def get_file(
        self, rpath: Any, lpath: Any = None, callback: Any = DEFAULT_CALLBACK, outfile: Any = None, **_: Any
    ) -> None:
        """Download one file, verified; it appears whole or not at all. A file object is written to, in order."""
        outfile = lpath if outfile is None and isfilelike(lpath) else outfile
        entry = self._entry(rpath)
        if outfile is None:
            transfers.get_files(self._place, [(entry.path, entry, stringify_path(lpath))], callback, alone=True)
            return
        callback.set_size(entry.size)

        def write(block: bytes) -> None:
            outfile.write(block)
            callback.relative_update(len(block))

        stream_to(self._place.session.run(None, None), entry, write)

    def get(
        self,
        rpath: Any,
        lpath: Any,
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Download files and trees, several files at a time, verified; what is there and equal is left alone."""
        plan = transfers.TransferPlan(self.profile)
        AbstractFileSystem.get(plan, rpath, lpath, recursive=recursive, maxdepth=maxdepth, **kwargs)
        callback.set_size(len(plan.pairs))
        with raise_os_errors(IsADirectoryError):
            pairs = [(self._path(remote), plan.known.get(remote), local) for remote, local in plan.pairs]
            transfers.get_files(self._place, pairs, callback)

    @raise_os_errors()
    def put_file(
        self, lpath: Any, rpath: Any, callback: Any = DEFAULT_CALLBACK, mode: str = "overwrite", **_: Any
    ) -> None:
        """Upload one file, verified, whole or not at all; `mode="create"`: FileExistsError for a taken name."""
        pair = stringify_path(lpath), self._path(rpath)
        transfers.put_files(self._place, [pair], callback, new=mode == "create", alone=True)

    def put(
        self,
        lpath: Any,
        rpath: Any,
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Upload files and trees, several files at a time, verified; what is there and equal is left alone."""
        self._strip_own(rpath)
        plan = transfers.TransferPlan(self.profile)
        AbstractFileSystem.put(plan, lpath, rpath, recursive=recursive, maxdepth=maxdepth, **kwargs)
        callback.set_size(len(plan.pairs))
        with raise_os_errors():
            transfers.put_files(self._place, [(local, self._path(remote)) for remote, local in plan.pairs], callback)

    def pipe(self, path: Any, value: Any = None, **kwargs: Any) -> None:
        """Write bytes as a file, or the values of a dictionary as the files that its keys name."""
        self._strip_own(list(path) if isinstance(path, dict) else path)
        super().pipe(path, value, **kwargs)

    def pipe_file(self, path: Any, value: Any, mode: str = "overwrite", **_: Any) -> None:
        """Write bytes as a file; `mode="create"`: FileExistsError for a taken name."""
        with self.open(path, "xb" if mode == "create" else "wb") as file:
            file.write(value)

    # Changes

    @raise_os_errors()
    def mkdir(self, path: Any, create_parents: bool = True, **_: Any) -> None:
        """Make a directory; FileExistsError if the name is taken."""
        self._make(path, parents=create_parents, exist_ok=False)

    @raise_os_errors()
    def makedirs(self, path: Any, exist_ok: bool = False) -> None:
        """Make a directory and those above it."""
        self._make(path, parents=True, exist_ok=exist_ok)

    def _make(self, path: Any, *, parents: bool, exist_ok: bool) -> None:
        where = self._path(path)
        if not exist_ok and is_there(self._place.store, where):
            raise AlreadyExists("the name is taken", path=str(where))
        make_directory(self._place.store, where, parents=parents)

    @raise_os_errors(NotADirectoryError)
    def rmdir(self, path: Any) -> None:
        """Delete an empty directory."""
        entry = self._entry(path)
        refuse_home([entry], self._place.home)
        remove_empty(self._place.store, entry)

    @raise_os_errors(IsADirectoryError)
    def rm_file(self, path: Any) -> None:
        """Delete a file."""
        names.remove_entry(self._place, self._path(path), recursive=False)

    _rm = rm_file

    @raise_os_errors(IsADirectoryError)
    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Delete files, and with `recursive` directories with all that they hold; the root and the home stay."""
        if maxdepth is not None:
            super().rm(path, recursive=recursive, maxdepth=maxdepth)
            return
        for each in self.expand_path(path):
            names.remove_entry(self._place, self._path(each), recursive=recursive)

    @raise_os_errors()
    def cp_file(self, path1: Any, path2: Any, **_: Any) -> None:
        """Copy a file through this machine, verified on both ways; a directory is only made."""
        entry, target = self._entry(path1), self._path(path2)
        if entry.is_directory:
            self.makedirs(path2, exist_ok=True)
        else:
            names.copy_file(self._place, entry, target)

    def copy(self, path1: Any, path2: Any, *args: Any, **kwargs: Any) -> None:
        """Copy files and trees through this machine, verified on both ways."""
        self._strip_own(path2)
        super().copy(path1, path2, *args, **kwargs)

    def mv(
        self,
        path1: Any,
        path2: Any,
        recursive: bool = False,
        maxdepth: int | None = None,
        mode: str = "overwrite",
        **kwargs: Any,
    ) -> None:
        """Rename a file, or a directory with all that it holds; patterns, lists and what cannot be renamed are copied.

        Args:
            recursive: Also copy and delete a directory that the storage cannot rename.
            mode: `overwrite`, or `create`: FileExistsError for a taken name.
        """
        if mode == "create" and self.exists(path2):
            raise as_os_error(AlreadyExists("the name is taken", path=str(path2)))
        features = self._place.store.features
        if isinstance(path1, str) and isinstance(path2, str) and maxdepth is None and self.exists(path1):
            is_directory = self.isdir(path1)
            with raise_os_errors(IsADirectoryError):
                if features.can_move_trees if is_directory else features.can_move:
                    source, target = self._path(path1), self._path(path2)
                    names.move(self._place, source, target, into=path2.endswith("/"), replace=mode != "create")
                    return
                if is_directory and not recursive:
                    raise UsageError("this storage cannot rename directories", hint="recursive=True", path=path1)
        super().mv(path1, path2, recursive=recursive, maxdepth=maxdepth, **kwargs)

    def touch(self, path: Any, truncate: bool = True, **_: Any) -> None:
        """Make an empty file; with `truncate=False` a file that is there stays as it is."""
        if truncate or not self.exists(path):
            self.pipe_file(path, b"")

    @raise_os_errors()
    def sign(self, path: Any, expiration: float = 100, **_: Any) -> str:
        """Return a link that opens a file without a login, for so many seconds: a macaroon or a presigned URL."""
        place = self._place
        sharer = place.store if isinstance(place.store, Shares) else place.session.site.door
        return sharer.share(self._path(path), lifetime=expiration).url


def _read_all(place: Place, paths: Sequence[RemotePath], starts: Sequence[Any], ends: Sequence[Any]) -> list[Any]:
    pieces = []
    for path, start, end in zip(paths, starts, ends, strict=True):
        is_whole = not start and end is None
        file = RangedFile(lambda: place.store, path) if is_whole else place.keep_open(path)
        pieces.append(Piece(file, start or 0, end))
    return read_pieces(pieces)
