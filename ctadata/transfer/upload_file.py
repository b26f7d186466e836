"""One file up: to a hidden temporary name, verified there, then moved to its own name.

The old file stays until the move. Only a store whose own upload appears whole or not at all (`atomic_put`) is
given the final name at once; one that cannot rename at all, where an upload that breaks off is sent anew; and one that
does not let this token move, or moves nothing to such a name, where the name is new: nothing is overwritten.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import time
from dataclasses import dataclass
from pathlib import Path

from ctadata.entries import Entry
from ctadata.errors import (
    AlreadyExists,
    Busy,
    CtadataError,
    Forbidden,
    IntegrityError,
    NotFound,
    ServerTrouble,
    Stopped,
    TemporaryError,
    TimedOut,
    Unsupported,
)
from ctadata.paths import RemotePath
from ctadata.stores.base import Written
from ctadata.transfer import integrity, temp_names
from ctadata.transfer.aliases import resolve_existing_alias, why_kept
from ctadata.transfer.equality import LocalFile, Pair
from ctadata.transfer.name_collisions import refuse_other_spelling
from ctadata.transfer.plan import ENDS, STATES, Step, digest_in, is_newer, plan_for_taken_name, plan_upload
from ctadata.transfer.read_after_write import wait_for_entry
from ctadata.transfer.record_digests import record_digests
from ctadata.transfer.records import Version, remote_version
from ctadata.transfer.report import Outcome, State
from ctadata.transfer.run import BROKEN_OFF, Run
from ctadata.transfer.source_file import FileSource, open_file
from ctadata.versions import is_strong

AGAIN = (*BROKEN_OFF, ServerTrouble)
"""An upload to a temporary name can always be tried anew; the HTTP client repeats no upload that a server refused."""


@dataclass(slots=True)
class Rights:
    """What a run has found out about its token: until it is refused, everything is thought to be allowed.

    reason: the server's words for the refusal.
    keeps:   whether a file that is moved has the mtime and tag that it had before; None: not yet looked.
    """

    move: bool = True
    replace: bool = True
    reason: str = ""
    keeps: bool | None = None


def upload_file(run: Run, rights: Rights, local: Path, target: RemotePath, there: Entry | None) -> Outcome:
    """Upload `local` as `target`, where the listing showed `there`, if the plan says so.

    Raises what the store raises, IntegrityError (also where the local file changes while it is read), LocalError.
    """
    with open_file(local) as (fd, found):
        return upload_open_file(run, rights, fd, found, local, target, there)


def upload_open_file(
    run: Run, rights: Rights, fd: int, found: os.stat_result, local: Path, target: RemotePath, there: Entry | None
) -> Outcome:
    """The same for a regular file that is open as `fd`; `local` is for words only."""
    began, here = time.monotonic(), LocalFile(fd, found)
    if there is not None and there.is_directory:
        raise AlreadyExists("it is a collection on the storage", path=str(target))
    there = resolve_existing_alias(run.store, there)
    pair = run.pair(target, local.parent)
    step, upload = _decide(run, here, there, pair), None
    if step is Step.REPLACE and there is not None and there.alias_of is not None:
        return Outcome(State.KEPT, target, local, found.st_size, why=why_kept(there), etag=there.etag)
    if step in (Step.CREATE, Step.REPLACE):
        run.names.check(target, tries=not run.rules.dry_run)
    if step in (Step.CREATE, Step.REPLACE) and not run.rules.dry_run:
        hashing = not run.store.features.digests_uploads
        upload = _Upload(run, rights, target, FileSource(run, str(target), fd, found, hashing))
        step = run.retry(functools.partial(upload.once, step), after=AGAIN)
        prove(run, target, step)
    state, why = ENDS.get(step, (State.DONE, ""))
    outcome = Outcome(state, target, local, found.st_size, time.monotonic() - began, why=why)
    if upload is not None and state is State.DONE:
        outcome = upload.vouch(outcome)
        _record(here, upload, pair, outcome.digest)
        return outcome
    return outcome if there is None else dataclasses.replace(outcome, etag=there.etag, digest=digest_in(there))


def prove(run: Run, target: RemotePath, step: Step | None) -> None:
    """Unsupported if the door does not give back the file that has just got a name; a new one is deleted."""
    try:
        if step not in ENDS:
            run.names.prove(target)
    except Unsupported:
        if step is Step.CREATE:
            run.discard(target)
        raise


def _record(here: LocalFile, upload: _Upload, pair: Pair, digest: str) -> None:
    """Keep what both sides are now; nothing where it is not known what listings will tell."""
    there = upload.version()
    if there is not None and pair.writes:
        pair.note(here.settled_version(), there, record_digests(digest, upload.source.digests))


def _decide(run: Run, here: LocalFile, there: Entry | None, pair: Pair) -> Step | None:
    """What the plan says; None where `update` leaves alone what is newer there."""
    if run.rules.update and there is not None and is_newer(there.mtime, here.mtime):
        return None
    step = plan_upload(here.local, here.found, there, run.store.features, run.rules, pair)
    as_described = run.rules.as_described
    if step is Step.SKIP and there is not None and as_described is not None and not as_described(there.path):
        return Step.KEEP if run.rules.no_clobber else Step.REPLACE
    return step


class _MoveRefused(Exception):
    """The server does not let this token give a temporary its name."""

    def __init__(self, error: Forbidden, step: Step) -> None:
        super().__init__(str(error))
        self.error = error
        self.step = step


@dataclass(slots=True)
class _Upload:
    run: Run
    rights: Rights
    target: RemotePath
    source: FileSource
    verified: str = ""
    sent: str = ""
    etag: str | None = None
    tries: int = 0
    looked: Entry | None = None

    def vouch(self, outcome: Outcome) -> Outcome:
        """The outcome with what is known of the file that was sent."""
        digest = self.sent or (f"adler32:{self.source.adler32}" if self.source.hashing else "")
        retries = max(0, self.tries - 1)
        return dataclasses.replace(outcome, verified=self.verified, digest=digest, etag=self.etag, retries=retries)

    def version(self) -> Version | None:
        """The file on the storage, as listings will tell of it; None where that is not known."""
        store = self.run.store
        if store.features.lists_checksums:  # which tell this file from others, with its mtime
            return self.source.size, self._kept_mtime(), None
        if store.features.atomic_put and is_strong(self.etag):
            return self.source.size, None, self.etag
        looked = self.looked
        if looked is None or (looked.path != self.target and not self.rights.keeps):
            with contextlib.suppress(CtadataError):
                now = store.info(self.target)
                if looked is not None and self.rights.keeps is None:
                    self.rights.keeps = (now.mtime, now.etag) == (looked.mtime, looked.etag)
                looked = now
        return remote_version(looked) if looked and looked.size == self.source.size else None

    def _kept_mtime(self) -> float | None:
        keeps, mtime = self.run.store.features.keeps_mtime, self.source.mtime
        return float(int(mtime)) if keeps and mtime is not None else None

    def once(self, step: Step) -> Step | None:
        """One try, from the first byte to the final name."""
        self.tries += 1
        self.source.rewind()
        features = self.run.store.features
        if features.atomic_put:
            return self._in_place(step)
        if not features.can_move:
            return self._exposed(step)
        if step is Step.REPLACE and not self.rights.replace:
            raise self._may_not_replace()
        if not self.rights.move:
            return self._create(step)
        temporary = self.target.parent / temp_names.new_name()
        try:
            self._write(temporary)
            return self._move(temporary, step)
        except _MoveRefused as refusal:
            temp_names.name_target_in(refusal.error, temporary, self.target)
            self._learn(temporary, refusal)
        except Unsupported as error:  # to this name, or to none at all
            self.run.discard(temporary)
            temp_names.name_target_in(error, temporary, self.target)
            if step is Step.REPLACE:
                raise Unsupported(error.what, hint="rm what is there, and put anew", path=str(self.target)) from error
            if error.status:
                self._no_more_moves(error, "this server cannot rename files")
        except BaseException as error:
            self.run.discard(temporary)
            if isinstance(error, CtadataError):
                temp_names.name_target_in(error, temporary, self.target)
            raise
        self.source.rewind()
        return self._create(step)

    def _write(self, path: RemotePath, *, new: bool = False) -> None:
        try:
            written = self.run.store.write(path, self.source, new=new)
        except Busy as error:
            if not self.source.offset:
                raise
            # before the first byte the HTTP client has waited and tried again; after it that is for us to do
            raise ServerTrouble(error.what, hint=error.hint, status=error.status) from error
        self._verify(path, written)
        self.etag, self.sent = written.etag, written.sent

    def _learn(self, temporary: RemotePath, refusal: _MoveRefused) -> None:
        """A token that may create, and not move: told once; Forbidden where only a move would help."""
        try:
            self.run.store.delete(temporary)
        except Stopped:
            self.run.discard(temporary)
            raise
        except CtadataError:
            self.run.summary.remarks.append(f"{temporary} is left there: you may not delete it")
        self.rights.reason = refusal.error.what
        if refusal.step is Step.REPLACE:
            self.rights.replace = False
            raise self._may_not_replace() from refusal.error
        self._no_more_moves(refusal.error, "you may create files and not rename them")

    def _no_more_moves(self, error: CtadataError, words: str) -> None:
        if self.rights.move:
            self.rights.move = self.rights.replace = False
            self.rights.reason = error.what
            self.run.summary.remarks.append(
                f"{words} ({error.what}): new files got their names at once, those that exist stay"
            )

    def _may_not_replace(self) -> Forbidden:
        return Forbidden(
            f"files can be created, and not replaced: {self.rights.reason}",
            hint="use a new name, or a token that may modify",
            path=str(self.target),
        )

    def _create(self, step: Step) -> Step | None:
        """Under its own name at once, which has to be new; what broke off under it before cannot be mended."""
        if step is Step.REPLACE:
            raise self._may_not_replace()
        try:
            self._write(self.target, new=True)
        except AlreadyExists as error:
            again = self._look_again(step)
            if again in ENDS:
                return again
            if self.tries > 1:
                raise IntegrityError(
                    "an upload broke off, and what is there of it may not be replaced",
                    hint="have it deleted, or give the file another name",
                    path=str(self.target),
                ) from error
            raise self._may_not_replace() from error
        except BaseException:
            if self.source.offset:  # what there is of it is ours
                self.run.discard(self.target)
            raise
        return step

    def _exposed(self, step: Step) -> Step | None:
        """In place where a part of a file is seen; who stops that is told."""
        try:
            return self._in_place(step)
        except Stopped:
            if self.source.offset:
                self.run.summary.remarks.append(f"{self.target} was being sent, and may be broken there")
            raise

    def _in_place(self, step: Step) -> Step | None:
        while True:
            try:
                self._write(self.target, new=step is Step.CREATE)
            except AlreadyExists:
                again = self._look_again(step)
                if again is None or again in STATES:
                    return again
                step = again
                self.source.rewind()
            else:
                return step

    def _verify(self, path: RemotePath, written: Written) -> None:
        if written.checked:
            self.verified = f"size, {written.checked}"
            return
        digests = written.digests or self.run.store.digests(path)
        if integrity.check_digest("adler32", self.source.adler32, digests):
            self.verified = "size, adler32"
            return
        self.looked = wait_for_entry(self.run, path, self.source.size)
        integrity.check_entry(self.run.store, self.looked, self.source.size)
        self.verified = "size"

    def _move(self, temporary: RemotePath, step: Step) -> Step | None:
        while True:
            try:
                self.run.store.move(temporary, self.target, replace=step is Step.REPLACE)
            except Forbidden as error:
                raise _MoveRefused(error, step) from error
            except (AlreadyExists, NotFound, TemporaryError, TimedOut) as error:
                # libcurl by itself repeats a request that a kept connection did not answer: the second one finds the
                # temporary gone, or the name taken, by the first
                if self._moved_after_all(temporary):
                    return step
                if not isinstance(error, AlreadyExists):
                    raise
                again = self._look_again(step)
                if again is None or again in STATES:
                    self.run.store.delete(temporary)
                    return again
                step = again
            else:
                return step

    def _look_again(self, step: Step) -> Step | None:
        """The name was taken since the plan: the content of what stands there now decides."""
        if step is Step.REPLACE:
            raise AlreadyExists("the storage does not replace it", path=str(self.target))
        refuse_other_spelling(self.run.store, self.target)
        there = self.run.store.info(self.target)
        if there.is_directory:
            raise AlreadyExists("it is a collection on the storage", path=str(self.target))
        return plan_for_taken_name(LocalFile(self.source.fd, self.source.found), there, self.run.rules)

    def _moved_after_all(self, temporary: RemotePath) -> bool:
        """Whether the move happened although its answer was lost."""
        with contextlib.suppress(CtadataError):
            try:
                self.run.store.info(temporary)
            except NotFound:
                integrity.check_digest("adler32", self.source.adler32, self.run.store.digests(self.target))
                return wait_for_entry(self.run, self.target, self.source.size).size == self.source.size
        return False
