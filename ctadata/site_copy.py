"""Copies between two sites: who moves the bytes, and with which proof of our right at the other one.

Of our own token the other site learns nothing: it is handed a macaroon for the one file, made by the site that the
file is read from or written to. Only where that makes none, and the user says so, the token itself is sent.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

from ctadata.entries import Entry
from ctadata.errors import AccessError, CtadataError, Unsupported, UsageError
from ctadata.namespace.name_check import check_for_others
from ctadata.paths import RemotePath
from ctadata.session import Session
from ctadata.stores.name_rules import refuse_undecodable
from ctadata.tokens.access_keys import AccessKeys
from ctadata.transfer.plan import Rules
from ctadata.transfer.report import NullReporter, Reporter, Summary
from ctadata.transfer.run import Run
from ctadata.transfer.source_file import FileSource
from ctadata.transfer.streams import stream_to
from ctadata.transfer.third_party_copy import CopyFile, CopyItem, CopySource, copy, mtime_of

PROOF_LIFE = 6 * 3600.0
"""Seconds that a macaroon for one copy lives: the copy may wait for its turn, and is long where the file is."""

READS, WRITES = ("download", "read_metadata"), ("upload", "read_metadata", "delete", "manage")

Moved = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class CopyMode:
    """How the bytes go.

    push:       the site that has the file sends it; else the other fetches it.
    through:    this machine passes the bytes on.
    send_token: the other site may be handed the token itself, where no macaroon is to be had.
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
    way: CopyMode,
    rules: Rules | None = None,
    reporter: Reporter | None = None,
    jobs: int | None = None,
) -> Summary:
    """Copy a file to `to`, or the contents of a collection into it; what happens to single files is in the summary.

    entry: of the store of `origin`.   rules: filters, no_clobber and dry_run count.
    """
    refuse_undecodable(to)
    run = target.run(rules, reporter, jobs)
    source = CopySource(origin.store, _mover(origin, target, way, run), origin.profile.address)
    return copy(run, source, [CopyItem(entry, to)])


def _mover(origin: Session, target: Session, way: CopyMode, run: Run) -> CopyFile:
    if way.through:
        return lambda entry, to, moved: _pass_on(origin, run, entry, to, moved)
    if way.push:
        return lambda entry, to, moved: _push(origin, target, way, entry, to, moved)
    return lambda entry, to, moved: _pull(origin, target, way, entry, to, moved)


def _pull(origin: Session, target: Session, way: CopyMode, entry: Entry, to: RemotePath, moved: Moved) -> None:
    check_for_others(origin.store, entry.path, "--through copies it through this machine")
    proof = _proof(origin, entry.path, READS, way)
    target.site.door.pull(to, origin.site.door.url(entry.path), proof, moved)


def _push(origin: Session, target: Session, way: CopyMode, entry: Entry, to: RemotePath, moved: Moved) -> None:
    check_for_others(target.store, to, "--through copies it through this machine")
    proof = _proof(target, to, WRITES, way)
    origin.site.door.push(entry.path, target.site.door.url(to), proof, moved)


def _proof(session: Session, path: RemotePath, activities: tuple[str, ...], way: CopyMode) -> str | None:
    """A macaroon for the one path; None where the profile has no login."""
    if isinstance(session.tokens, AccessKeys):
        raise Unsupported("an S3 store takes no part in copies between doors", hint="--through copies through here")
    token = session.tokens.bearer()
    if token is None:
        return None
    try:
        return session.site.door.share(path, lifetime=PROOF_LIFE, activities=activities, may_be_shorter=True).secret
    except (Unsupported, AccessError) as error:
        if way.send_token:
            return token
        raise type(error)(
            f"the profile {session.profile.name} gives no macaroon for it ({error.what})",
            hint="--send-token hands the other site your token; --through copies through this machine",
            path=str(path),
            status=error.status,
        ) from error


def _pass_on(origin: Session, run: Run, entry: Entry, to: RemotePath, moved: Moved) -> None:
    """Fetch into a file without a name, checked as a download is, and upload it from there."""
    with tempfile.TemporaryFile(prefix="ctadata-") as spool:
        reading = Run(origin.store, Rules(jobs=1), NullReporter(), run.stop)
        stream_to(reading, entry, spool.write)
        spool.flush()
        mtime = mtime_of(origin.store, entry)
        if mtime is not None:
            os.utime(spool.fileno(), (mtime, mtime))
        fd, sending = spool.fileno(), Run(run.store, run.rules, NullReporter(), run.stop)
        run.store.write(to, FileSource(sending, str(to), fd, os.fstat(fd), hashing=False))
    moved(entry.size or 0)


def where(target: Session, text: str, source: RemotePath, *, directory: bool, contents: bool) -> RemotePath:
    """Where a copy lands: in a collection that exists or ends in a slash under its own name, else at `text` itself.

    contents: of a collection: what is in it lands in `text`, and not the collection itself.
    """
    path = target.resolve(text)
    if directory:
        return path if contents else path / source.name
    if text.endswith("/") or not path.parts or _is_collection(target, path):
        return path / source.name
    return path


def _is_collection(session: Session, path: RemotePath) -> bool:
    with contextlib.suppress(CtadataError):
        return session.store.info(path).is_directory
    return False


def check_sides(origin: Session, target: Session, source: RemotePath, to: RemotePath) -> None:
    """UsageError where a file would be copied onto itself, or a collection into itself."""
    if _server(origin) != _server(target):
        return
    whence, where_to = _from_the_top(origin, source), _from_the_top(target, to)
    if where_to[: len(whence)] == whence:
        raise UsageError("it would be copied onto itself", path=str(source))


def _server(session: Session) -> str:
    return session.profile.endpoint or session.profile.door


def _from_the_top(session: Session, path: RemotePath) -> tuple[str, ...]:
    """The names on the way from the server's own root, which profiles of one server may see from different places."""
    return RemotePath.parse(session.profile.root).join(path.parts).parts
