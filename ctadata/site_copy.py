"""Copy files between two sites: which server moves the bytes, and how it proves that it may.

The other site does not get the user's token. It gets a macaroon for the one file, made by the site that the file is
read from or written to. Only if that site makes none, and the user allows it, the token itself is sent.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ctadata.entries import Entry
from ctadata.errors import AccessError, CtadataError, Forbidden, Unsupported, UsageError
from ctadata.namespace.name_check import check_for_others
from ctadata.paths import RemotePath
from ctadata.session import Session
from ctadata.stores.name_rules import refuse_undecodable
from ctadata.stores.optional import find_or_none
from ctadata.tokens.access_keys import AccessKeys
from ctadata.transfer.copy_in_place import CopyInPlace, PlacedCopy
from ctadata.transfer.integrity import check_digest
from ctadata.transfer.plan import Rules
from ctadata.transfer.record_digests import record_digests
from ctadata.transfer.report import NullReporter, Reporter, Summary
from ctadata.transfer.run import Run
from ctadata.transfer.source_file import FileSource
from ctadata.transfer.streams import stream_to
from ctadata.transfer.third_party_copy import CopyFile, CopyItem, CopySource, PassedFile, copy, mtime_of

MACAROON_LIFETIME = 6 * 3600.0
"""Seconds that a macaroon for one copy is valid: the copy may wait for its turn, and take long."""

READS, WRITES = ("download", "read_metadata"), ("upload", "read_metadata", "delete", "manage")

NOTHING_FOUND: Mapping[RemotePath, Entry | None] = MappingProxyType({})
"""No path has been looked up."""

Moved = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class CopyMode:
    """The way of the bytes.

    Attributes:
        push: Whether the source's site sends the file; else the target's site fetches it.
        through: Whether this machine passes the bytes on.
        send_token: Whether the other site may get the token itself if no macaroon is to be had.
    """

    push: bool = False
    through: bool = False
    send_token: bool = False


def copy_between(
    origin: Session,
    target: Session,
    entry: Entry,
    to: RemotePath,
    *,
    mode: CopyMode,
    rules: Rules | None = None,
    reporter: Reporter | None = None,
    jobs: int | None = None,
    found: Mapping[RemotePath, Entry | None] = NOTHING_FOUND,
) -> Summary:
    """Copy a file to `to`, or the contents of a collection into it.

    Args:
        origin: The session of the site that has the file.
        target: The session of the other site.
        entry: The file or collection at `origin`.
        to: The path at `target`.
        mode: The way of the bytes.
        rules: Only filters, no_clobber and dry_run count; None: the usual rules.
        reporter: Receives the reports; None: they are dropped.
        jobs: Files in transfer at a time; None: as the profile of `target` says.
        found: What was found at `target`, by its path; None: nothing.

    Returns:
        The summary, with each failure.
    """
    refuse_undecodable(to)
    in_place = None if mode.through else _copy_in_place(origin, target)
    if in_place and (mode.push or mode.send_token):
        raise UsageError("one S3 server has both sides, and copies by itself", hint="leave out --push and --send-token")
    if in_place is None and not mode.through:
        _refuse_stores_without_doors(origin, target)
    run = target.run(rules, reporter, jobs)
    run.found.update(found)
    source = CopySource(origin.store, _copy_function(origin, target, mode, run), origin.profile.address, in_place)
    return copy(run, source, [CopyItem(entry, to)])


def _copy_in_place(origin: Session, target: Session) -> CopyInPlace | None:
    """Return the function that copies a file inside the S3 server of both sessions; None if they have no such server.

    The key of `target` reads the source and writes the copy.
    """
    if origin.profile.kind != "s3" or target.profile.kind != "s3" or _server(origin) != _server(target):
        return None
    from ctadata.stores.s3.copy_object import CopyOptions  # imported late, as in `Session.open`
    from ctadata.stores.s3.object_entry import response_of
    from ctadata.stores.s3.store import S3Store

    source, store = origin.store, target.store
    if not (isinstance(source, S3Store) and isinstance(store, S3Store)):
        return None

    def copy_file(entry: Entry, to: RemotePath, moved: Moved, *, new: bool, is_seen: bool) -> PlacedCopy:
        name = source.name(entry.path)
        name = name if entry.alias_of is None else name._replace(key=entry.alias_of)
        try:
            found = response_of(entry) if is_seen else None
            options = CopyOptions(new, store.uploads.headers, moved=moved, found=found)
            placed, copied = store.copy_from(name, to, options)
        except Forbidden as error:
            error.hint = f"the key of the profile {target.profile.name} has to read it too; or use --through"
            raise
        return PlacedCopy(placed, copied.algorithm, copied.digests)

    return copy_file


def must_pass_through(origin: Session, target: Session) -> bool:
    """Return whether only this machine can pass the bytes of a copy on, because no server of the two sites can."""
    return _has_no_door(origin, target) and _copy_in_place(origin, target) is None


def _has_no_door(*sessions: Session) -> bool:
    return any(isinstance(session.tokens, AccessKeys) for session in sessions)


def _refuse_stores_without_doors(*sessions: Session) -> None:
    """Raise Unsupported if a server of one of the sessions takes no part in copies between servers."""
    if _has_no_door(*sessions):
        what = "an S3 store copies inside one server, and takes no part in copies between servers"
        raise Unsupported(what, hint="--through copies through this machine")


def _copy_function(origin: Session, target: Session, mode: CopyMode, run: Run) -> CopyFile:
    if mode.through:
        return lambda entry, to, moved: _pass_on(origin, run, entry, to, moved)
    if mode.push:
        return lambda entry, to, moved: _push(origin, target, mode, entry, to, moved)
    return lambda entry, to, moved: _pull(origin, target, mode, entry, to, moved)


def _pull(origin: Session, target: Session, mode: CopyMode, entry: Entry, to: RemotePath, moved: Moved) -> None:
    check_for_others(origin.store, entry.path, "--through copies it through this machine")
    secret = _macaroon_or_token(origin, entry.path, READS, mode)
    target.site.door.pull(to, origin.site.door.url(entry.path), secret, moved)


def _push(origin: Session, target: Session, mode: CopyMode, entry: Entry, to: RemotePath, moved: Moved) -> None:
    check_for_others(target.store, to, "--through copies it through this machine")
    secret = _macaroon_or_token(target, to, WRITES, mode)
    origin.site.door.push(entry.path, target.site.door.url(to), secret, moved)


def _macaroon_or_token(session: Session, path: RemotePath, activities: tuple[str, ...], mode: CopyMode) -> str | None:
    """Return a macaroon for one path, or the token if the user allows that; None if the profile has no login."""
    token = session.tokens.bearer()
    if token is None:
        return None
    try:
        return session.site.door.share(
            path, lifetime=MACAROON_LIFETIME, activities=activities, may_be_shorter=True
        ).secret
    except (Unsupported, AccessError) as error:
        if mode.send_token:
            return token
        raise type(error)(
            f"the profile {session.profile.name} gives no macaroon for it ({error.what})",
            hint="--send-token hands the other site your token; --through copies through this machine",
            path=str(path),
            status=error.status,
        ) from error


def _pass_on(origin: Session, run: Run, entry: Entry, to: RemotePath, moved: Moved) -> PassedFile:
    """Download to a file without a name, verify it, and upload it from there.

    Raises IntegrityError if the bytes that are sent are not those that have come.
    """
    with tempfile.TemporaryFile(prefix="ctadata-") as spool:
        download_run = Run(origin.store, Rules(jobs=1), NullReporter(), run.stop)
        received = record_digests(stream_to(download_run, entry, spool.write).digest, {})
        spool.flush()
        mtime = mtime_of(origin.store, entry)
        if mtime is not None:
            os.utime(spool.fileno(), (mtime, mtime))
        fd, sending = spool.fileno(), Run(run.store, run.rules, NullReporter(), run.stop)
        source = FileSource(sending, str(to), fd, os.fstat(fd), hashing=not run.store.features.digests_uploads)
        written = run.store.write(to, source)
        sent = written.sent or source.digest
        digests = record_digests(sent, source.digests)
    for name, digest in digests.items():
        check_digest(name, digest, received)
    moved(entry.size or 0)
    return PassedFile({**received, **digests}, sent, written)


def copy_target(
    target: Session, text: str, source: RemotePath, *, directory: bool, contents: bool
) -> tuple[RemotePath, Mapping[RemotePath, Entry | None]]:
    """Return the path of a copy: `text`, or below it if that is an existing collection or ends in a slash.

    What was found at the path comes with it, for `copy_between`.

    Args:
        target: The session of the site that gets the copy.
        text: The path that the user wrote.
        source: The path of the file or collection at the other site.
        directory: Whether the source is a collection.
        contents: Whether the contents of the collection are copied into `text`, and not the collection itself.
    """
    path = target.resolve(text)
    if directory:
        return (path if contents else path / source.name), NOTHING_FOUND
    if text.endswith("/") or not path.parts:
        return path / source.name, NOTHING_FOUND
    store, found = target.store, dict[RemotePath, Entry | None]()
    with contextlib.suppress(CtadataError):
        found[path] = find_or_none(store, path)
    entry = found.get(path)
    return (path / source.name, NOTHING_FOUND) if entry is not None and entry.is_directory else (path, found)


def refuse_copy_onto_itself(origin: Session, target: Session, source: RemotePath, to: RemotePath) -> None:
    """Raise UsageError if a file would be copied onto itself, or a collection into itself.

    Args:
        origin: The session of the site that has the file.
        target: The session of the other site, which may be the same one.
        source: The path at `origin`.
        to: The path at `target`.
    """
    if _server(origin) != _server(target):
        return
    source_parts, target_parts = _parts_from_root(origin, source), _parts_from_root(target, to)
    if target_parts[: len(source_parts)] == source_parts:
        raise UsageError("it would be copied onto itself", path=str(source))


def _server(session: Session) -> str:
    return session.profile.endpoint or session.profile.door


def _parts_from_root(session: Session, path: RemotePath) -> tuple[str, ...]:
    """Return the names from the server's own root; two profiles of one server may have different roots."""
    return RemotePath.parse(session.profile.root).join(path.parts).parts
