"""Run the doctor's checks in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from ctadata.doctor.door import DoorChecks
from ctadata.doctor.finding import GENERAL_ADVICE, Check, Finding, Verdict
from ctadata.doctor.s3 import S3Checks
from ctadata.errors import CtadataError, LoginNeeded, Stopped
from ctadata.session import Session


class CheckList(Protocol):
    """The checks for one kind of storage."""

    def checks(self, *, write: bool) -> Mapping[str, Check]:
        """Return the checks in order, by what they are about.

        If the first one fails, the others could not tell anything.

        Args:
            write: Whether to try an upload too.
        """


def diagnose(session: Session, *, path_text: str | None = None, write: bool = False) -> Iterator[Finding]:
    """Check everything that a transfer needs, and yield each finding when it is made.

    Args:
        session: The session to check.
        path_text: A file to read, or a collection to look for one in, as the user typed it. None for the home, or else
            the root.
        write: Whether to upload a small file with a name of our own to the home too; it is deleted again.
    """
    is_s3 = session.profile.kind == "s3"
    check_list: CheckList = (S3Checks if is_s3 else DoorChecks)(session, path_text)
    for number, (what, check) in enumerate(check_list.checks(write=write).items()):
        try:
            yield from check()
        except Stopped:
            raise
        except CtadataError as error:
            needs_login = isinstance(error, LoginNeeded)
            words = str(error).removesuffix(f" ({error.hint})")
            yield Finding(what, Verdict.FAIL, words, error.hint or GENERAL_ADVICE, needs_login)
            if number == 0 or needs_login:
                return  # all other checks would fail in the same way
