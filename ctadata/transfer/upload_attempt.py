"""The attempts to upload one file: to a temporary name, verified there, then moved to its own name.

The old file stays until the move. Three kinds of stores get the final name at once:

- a store whose own upload appears whole or not at all (`Features.atomic_put`);
- a store that cannot rename (`Features.can_move` is False): an upload that breaks off leaves a broken file there,
  and is sent again;
- a store that does not let this token rename, or refuses such a name: only new names are created, nothing is replaced.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass

from ctadata.entries import Entry
from ctadata.errors import (
    AlreadyExists,
    Busy,
    CtadataError,
    Forbidden,
    IntegrityError,
    LoginNeeded,
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
from ctadata.transfer.name_collisions import refuse_other_spelling
from ctadata.transfer.plan import UNMOVED, Step, plan_for_taken_name
from ctadata.transfer.read_after_write import wait_for_entry
from ctadata.transfer.records import Version, remote_version
from ctadata.transfer.report import Outcome
from ctadata.transfer.run import Run
from ctadata.transfer.source_file import FileSource
from ctadata.transfer.upload_rights import Rights
from ctadata.versions import is_strong


class _MoveRefused(Exception):
    """The server does not let this token move a temporary to its final name."""

    def __init__(self, error: Forbidden, step: Step) -> None:
        super().__init__(str(error))
        self.error = error
        self.step = step


@dataclass(slots=True)
class UploadAttempts:
    """The attempts to upload one file, and what they found out.

    Attributes:
        run: The run.
        rights: Known limits of the token.
        target: The remote file.
        source: The local file.
        verified: What was compared, as `size, adler32`.
        sent: The digest that the store computed of what it sent; empty if none.
        etag: The tag of the new version; None if the store states none.
        is_seen: Whether it is known what has the target's name. If not, AlreadyExists is raised if the name is taken.
        similar: Another name of the run that some server takes for the target's; None if there is none.
        tries: Attempts so far.
        stored: The entry of the uploaded file, if it was asked for.
        is_ours: Whether an attempt has put a damaged file there.
    """

    run: Run
    rights: Rights
    target: RemotePath
    source: FileSource
    verified: str = ""
    sent: str = ""
    etag: str | None = None
    is_seen: bool = True
    similar: str | None = None
    tries: int = 0
    stored: Entry | None = None
    is_ours: bool = False

    def add_proof(self, outcome: Outcome) -> Outcome:
        """Return the outcome with the proof, the digest and the tag of the file that was sent."""
        digest, retries = self.sent or self.source.digest, max(0, self.tries - 1)
        return dataclasses.replace(outcome, verified=self.verified, digest=digest, etag=self.etag, retries=retries)

    def version(self, replaced: Entry | None) -> Version | None:
        """Return the version of the stored file that listings will show; None if that is unknown.

        Args:
            replaced: The file that had the target's name before; None if there was none.

        Raises:
            IntegrityError: The file is not there, or has another size, or the replaced one is still there.
        """
        store = self.run.store
        if store.features.lists_checksums:  # with the mtime, they tell this file from others
            return self.source.size, self._kept_mtime(), None
        if store.features.atomic_put and is_strong(self.etag):
            return self.source.size, None, self.etag
        stored = self.stored
        if stored is not None and stored.path != self.target:
            return self.run.stored.moved.find_version(stored, self.target, replaced)
        if stored is None and not (store.features.can_move and self.rights.may_move):
            with contextlib.suppress(CtadataError):
                stored = store.info(self.target)
        return remote_version(stored) if stored and stored.size == self.source.size else None

    def _kept_mtime(self) -> float | None:
        keeps, mtime = self.run.store.features.keeps_mtime, self.source.mtime
        return float(int(mtime)) if keeps and mtime is not None else None

    def attempt(self, step: Step) -> Step:
        """Make one attempt, from the first byte to the final name.

        Args:
            step: CREATE or REPLACE.

        Returns:
            The step that was taken: another one if the name was taken since the plan.

        Raises:
            Forbidden: The token may not do what this file needs.
            IntegrityError: Size or digest differ from the server's.
            CtadataError: What the store raises.
        """
        self.tries += 1
        self.source.rewind()
        step, features = Step.REPLACE if self.is_ours else step, self.run.store.features
        if features.atomic_put:
            return self._put_in_place(step)
        if not features.can_move:
            return self._put_without_move(step)
        if step is Step.REPLACE and not self.rights.may_replace:
            raise self._may_not_replace()
        if not self.rights.may_move:
            return self._put_new_name(step)
        temporary = self.target.with_name(temp_names.new_name())
        try:
            written = self._write(temporary)
            return self._verify_again(written, self._move(temporary, step))
        except _MoveRefused as refusal:
            temp_names.name_target_in(refusal.error, temporary, self.target)
            self._remember_refusal(temporary, refusal)
        except Unsupported as error:  # the server renames nothing, or not to this name
            self.run.discard(temporary)
            temp_names.name_target_in(error, temporary, self.target)
            if step is Step.REPLACE:
                raise Unsupported(
                    error.what, hint="delete the file on the storage, and put it again", path=str(self.target)
                ) from error
            if error.status:
                self._stop_moving(error, "this server cannot rename files")
        except BaseException as error:
            self.run.discard(temporary)
            if isinstance(error, CtadataError):
                temp_names.name_target_in(error, temporary, self.target)
            raise
        self.source.rewind()
        return self._put_new_name(step)

    def _write(self, path: RemotePath, *, new: bool = False) -> Written:
        """Send the bytes to `path`, and verify them."""
        try:
            written = self.run.store.write(path, self.source, new=new)
        except Busy as error:
            if not self.source.offset:
                raise
            # the HTTP client has waited and tried again only before the first byte
            trouble = ServerTrouble(error.what, hint=error.hint, status=error.status)
            trouble.given_up, trouble.retries = error.given_up, error.retries
            raise trouble from error
        self._verify(path, written)
        self.etag, self.sent = written.etag, written.sent
        return written

    def _remember_refusal(self, temporary: RemotePath, refusal: _MoveRefused) -> None:
        """Remember that the token may not move, with one remark; raise Forbidden if this file needs a move."""
        try:
            self.run.store.delete(temporary)
        except Stopped:
            self.run.discard(temporary)
            raise
        except CtadataError:
            self.run.summary.remarks.append(f"{temporary} stays on the storage: you may not delete it")
        self.rights.reason = refusal.error.what
        if refusal.step is Step.REPLACE:
            self.rights.may_replace = False
            raise self._may_not_replace() from refusal.error
        self._stop_moving(refusal.error, "you may create files and not rename them")

    def _stop_moving(self, error: CtadataError, words: str) -> None:
        if self.rights.may_move:
            self.rights.may_move = self.rights.may_replace = False
            self.rights.reason = error.what
            self.run.summary.remarks.append(
                f"{words} ({error.what}): new files got their final names at once, and existing files were kept"
            )

    def _may_not_replace(self) -> Forbidden:
        return Forbidden(
            f"the token may create files, but not replace them: {self.rights.reason}",
            hint="use a new name, or a token that may modify",
            path=str(self.target),
        )

    def _put_new_name(self, step: Step) -> Step:
        """Send the bytes to the final name, which must be free. A file that broke off there cannot be mended."""
        if step is Step.REPLACE:
            raise self._may_not_replace()
        try:
            self._write(self.target, new=True)
        except AlreadyExists as error:
            again = self._plan_again(step)
            if again in UNMOVED:
                return again
            if self.tries > 1:
                raise IntegrityError(
                    "an upload broke off, and its incomplete file may not be replaced",
                    hint="have it deleted, or give the file another name",
                    path=str(self.target),
                ) from error
            raise self._may_not_replace() from error
        except BaseException:
            if self.source.offset:  # the incomplete file is ours
                self.run.discard(self.target)
            raise
        return step

    def _put_without_move(self, step: Step) -> Step:
        """Send the bytes to the final name, where others see an incomplete file; warn if the user stops that."""
        try:
            return self._put_in_place(step)
        except Stopped:
            if self.source.offset:
                self.run.summary.remarks.append(
                    f"{self.target} may be incomplete on the storage: its upload was stopped"
                )
            raise

    def _put_in_place(self, step: Step) -> Step:
        while True:
            try:
                self._write(self.target, new=step is Step.CREATE)
            except AlreadyExists:
                if not self.is_seen:
                    self.source.rewind()
                    raise
                step = self._plan_again(step)
                if step in UNMOVED:
                    return step
                self.source.rewind()
            else:
                return step

    def _verify(self, path: RemotePath, written: Written) -> None:
        """Compare the digest, or else the size, of the stored file with that of the source."""
        if written.checked:
            self.verified = f"size, {written.checked}"
            return
        digests, entry = written.digests, None
        try:
            if not digests:
                digests, entry = self.run.stored.look(path, self.source.size)
            if integrity.check_digest("adler32", self.source.adler32, digests):
                self.verified = "size, adler32"
                if not self.run.store.features.lists_checksums:
                    with contextlib.suppress(CtadataError):  # it is for the record only
                        self.stored = entry or self.run.stored.entry(path, self.source.size)
                return
            self.stored = entry or self.run.stored.entry(path, self.source.size)
        except Forbidden:
            if not written.sent:
                raise
            return  # the token may write and not look; the server has compared the bytes with the digest sent along
        integrity.check_entry(self.run.store, self.stored, self.source.size)
        self.verified = "size"

    def _verify_again(self, written: Written, step: Step) -> Step:
        """Return the step. If the request was repeated, a late copy may have emptied the temporary: verify the target.

        Raises:
            IntegrityError: It has other bytes, or the server cannot say; the upload is to be repeated.
        """
        if not written.was_repeated or step in UNMOVED:
            return step
        try:
            self._verify(self.target, Written(sent=written.sent))
        except (LoginNeeded, Stopped):
            raise
        except Forbidden:
            pass  # the token may write and not look
        except CtadataError as error:
            self.is_ours = True
            raise IntegrityError(f"the file on the storage is not what was sent: {error.what}") from error
        return step

    def _move(self, temporary: RemotePath, step: Step) -> Step:
        """Move the temporary to the final name. If the name was taken since the plan, plan again."""
        while True:
            try:
                self.run.store.move(temporary, self.target, replace=step is Step.REPLACE)
            except Forbidden as error:
                raise _MoveRefused(error, step) from error
            except (AlreadyExists, NotFound, TemporaryError, TimedOut) as error:
                # libcurl repeats a request by itself if a kept connection did not answer; the second request finds the
                # temporary gone, or the name taken, by the first
                if self._has_moved(temporary):
                    return step
                if not isinstance(error, AlreadyExists):
                    raise
                step = self._plan_again(step)
                if step in UNMOVED:
                    self.run.store.delete(temporary)
                    return step
            else:
                return step

    def _plan_again(self, step: Step) -> Step:
        """Decide again, by the content of the file that has taken the name since the plan."""
        if step is Step.REPLACE:
            raise AlreadyExists("the storage does not replace this file", path=str(self.target))
        refuse_other_spelling(self.run.store, self.target, self.similar)
        existing = self.run.store.info(self.target)
        if existing.is_directory:
            raise AlreadyExists("a directory has this name on the storage", path=str(self.target))
        again = plan_for_taken_name(self.source.as_local_file(), existing, self.run.rules)
        if again not in UNMOVED:
            self.run.stored.new_names.refuse_misplaced(self.run.store, self.target)
        return again

    def _has_moved(self, temporary: RemotePath) -> bool:
        """Return whether the move happened although its answer was lost."""
        with contextlib.suppress(CtadataError):
            try:
                self.run.store.info(temporary)
            except NotFound:
                integrity.check_digest("adler32", self.source.adler32, self.run.store.digests(self.target))
                return wait_for_entry(self.run, self.target, self.source.size).size == self.source.size
        return False
