"""Everything that a transfer needs, looked at in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from ctadata.doctor.door import DoorExamination
from ctadata.doctor.finding import TELL, Check, Finding, Verdict
from ctadata.doctor.s3 import ObjectsExamination
from ctadata.errors import CtadataError, LoginNeeded, Stopped
from ctadata.session import Session


class Examination(Protocol):
    """What is looked at for one kind of place."""

    def checks(self, *, write: bool) -> Mapping[str, Check]:
        """In order, by what they are about; where the first one fails, nothing else can be told."""


def diagnose(session: Session, *, named: str | None = None, write: bool = False) -> Iterator[Finding]:
    """Look at everything that a transfer needs; the findings come as they are made.

    named: a file to read, or a collection to look for one in, as a person writes it; None: the home, else the root.
    write: an upload is tried as well: a small file of a name of our own, in the home, which is deleted again.
    """
    for_objects = session.profile.kind == "s3"
    examination: Examination = (ObjectsExamination if for_objects else DoorExamination)(session, named)
    for number, (what, check) in enumerate(examination.checks(write=write).items()):
        try:
            yield from check()
        except Stopped:
            raise
        except CtadataError as error:
            yield Finding(what, Verdict.FAIL, str(error).removesuffix(f" ({error.hint})"), error.hint or TELL)
            if number == 0 or isinstance(error, LoginNeeded):
                return  # whatever follows would fail the same way
