"""The error that a server's words mean: the reason phrase and the body of a response, and the locality of a file.

A dCache door answers nearly every failure with 500 and a sentence (dcache.md 4); a pool answers with 400 and a reason
phrase (dcache.md 1.4, 1.6). The phrases here are those of the sources that dcache.md names; upper and lower case do not
matter. A response without a known phrase has the meaning of its status. The error shows the server's words in any case.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ctadata.errors import (
    AccessError,
    Busy,
    CtadataError,
    Forbidden,
    IntegrityError,
    LoginNeeded,
    NeedsStaging,
    ServerTrouble,
    StorageFull,
    UsageError,
)


class Meaning(NamedTuple):
    """The meaning of a status or of a curl error: the class of the error, its words, and what the user can do.

    Attributes:
        error: The class of the error.
        words: What happened, without a final full stop.
        hint: What the user can do; empty if there is nothing to advise.
        final: Whether no retry within the run helps, although errors of this class are retryable.
    """

    error: type[CtadataError]
    words: str
    hint: str = ""
    final: bool = False

    def as_error(
        self, words: str, *, path: str = "", status: int = 0, retry_after: float | None = None
    ) -> CtadataError:
        """Return the error of one case, with these `words`; the other arguments are those of `CtadataError`."""
        hint = f"try again in {math.ceil(retry_after)} s, as the server asks" if retry_after else self.hint
        error = self.error(words, hint=hint, path=path, status=status, retry_after=retry_after)
        error.retryable = error.retryable and not self.final
        return error


class ErrorPhrase(NamedTuple):
    """A phrase in the reason or the text of a response, and its meaning.

    Attributes:
        status: The status of the response.
        phrase: The phrase; an empty one fits every response of that status.
        meaning: What the phrase means.
        method: The method of the request; empty if the phrase means the same for each method.
    """

    status: int
    phrase: str
    meaning: Meaning
    method: str = ""


_LATER = "try again later"
_LATER_OR_REPORT = "try again later; if it fails again, tell the administrators of the storage"
_QUOTA = Meaning(StorageFull, "the quota is used up", "delete files, or ask the administrators of the storage for more")
_NO_ROOM = Meaning(StorageFull, "the storage has no room")
_NOT_EMPTY = Meaning(UsageError, "the directory is not empty")
_SLOW = Meaning(ServerTrouble, "part of the storage did not answer in time", _LATER_OR_REPORT)

_BROKEN = Meaning(
    IntegrityError,
    "the storage's copy of the file is damaged",
    "no retry helps: upload the file again, or ask the administrators of the storage to restore it",
    final=True,
)
_UNFINISHED = Meaning(
    Busy,
    "the upload of the file has not been completed",
    "wait until it is complete; if no upload is under way, upload the file again",
    final=True,
)

ERROR_PHRASES = (
    ErrorPhrase(400, " mismatch", Meaning(IntegrityError, "the server did not receive the bytes that were sent")),
    ErrorPhrase(400, "no longer valid", Meaning(ServerTrouble, "the server's own redirect had expired", _LATER)),
    ErrorPhrase(400, " UUID", Meaning(ServerTrouble, "the server does not know its own redirect", _LATER)),
    ErrorPhrase(
        401,
        "macaroon login denied",
        Meaning(
            LoginNeeded,
            "the macaroon is not accepted",
            "it may have expired, or it does not allow this: ask for another one",
        ),
    ),
    ErrorPhrase(
        401,
        "unencrypted",
        Meaning(AccessError, "the server accepts no login without TLS", "write https:// in the profile's door"),
    ),
    ErrorPhrase(401, "Multiple bearer ", Meaning(AccessError, "the server has received two different tokens")),
    ErrorPhrase(500, "File is broken", _BROKEN),
    ErrorPhrase(500, "File upload not yet completed", _UNFINISHED),
    ErrorPhrase(500, "quota exceeded", _QUOTA),  # builds before its issue 7747
    ErrorPhrase(500, "Directory is not empty:", _NOT_EMPTY),
    ErrorPhrase(500, "; directory not empty", _NOT_EMPTY, method="DELETE"),  # XRootD
    ErrorPhrase(500, "preallocate", _NO_ROOM),
    ErrorPhrase(500, "Out of space", _NO_ROOM),
    ErrorPhrase(
        500, "Request to [>PoolManager", Meaning(ServerTrouble, "the storage found no pool in time", _LATER_OR_REPORT)
    ),
    ErrorPhrase(
        500, "No redirect from mover", Meaning(ServerTrouble, "a pool did not answer in time", _LATER_OR_REPORT)
    ),
    ErrorPhrase(500, "internal timeout", Meaning(ServerTrouble, "the server is too busy", _LATER)),
    ErrorPhrase(500, "Request to [", _SLOW),
    ErrorPhrase(503, "shutting down", Meaning(Busy, "the server is being restarted", _LATER)),
    ErrorPhrase(507, "SER_QUOTA_EXCEEDED", _QUOTA),
    ErrorPhrase(
        507, "allowed upload size", Meaning(StorageFull, "this login may not upload so much", "use another one")
    ),
    ErrorPhrase(
        507, "", Meaning(StorageFull, "the storage has no room to fetch the file to disk", _LATER), method="GET"
    ),
)
"""The known phrases; the first one that fits counts."""


def find_phrase(method: str, status: int, said: str) -> Meaning | None:
    """Return what the words of a response mean; None if no phrase is known in them.

    Args:
        method: The method of the request.
        status: The status of the response.
        said: The reason phrase and the text of the response.
    """
    said = said.lower()
    for known in ERROR_PHRASES:
        if known.status == status and known.method in ("", method) and known.phrase.lower() in said:
            return known.meaning
    return None


_COMING = Meaning(NeedsStaging, "the file is on tape and on its way to disk", "try again later, or stage it first")
_OFFLINE = Meaning(ServerTrouble, "the pool that has the file is offline", _LATER_OR_REPORT)
_LOST = Meaning(CtadataError, "the storage has lost the file", "tell the administrators of the storage")

LOCALITY_MEANINGS: dict[tuple[int, str], Meaning] = {
    (403, "NEARLINE"): Meaning(
        Forbidden,
        "the file is on tape, and you may not stage it",
        "ask the administrators of the storage to bring it to disk",
    ),
    (500, "NEARLINE"): _COMING,
    (0, "NEARLINE"): _COMING,
    (500, "UNAVAILABLE"): _OFFLINE,
    (0, "UNAVAILABLE"): _OFFLINE,
    (500, "LOST"): _LOST,
    (0, "LOST"): _LOST,
    (500, "NONE"): _UNFINISHED,
    (0, "NONE"): _UNFINISHED,
}
"""What the failure of a GET means, by its status (0 for no answer) and the file's locality (dcache.md 4)."""


def is_explained(error: CtadataError) -> bool:
    """Whether the server's words already say what its 500 means, so that the locality adds nothing."""
    return error.status == 500 and not isinstance(error, ServerTrouble)


def explain_by_locality(error: CtadataError, locality: str | None) -> CtadataError:
    """Return the error of a failed GET as the file's locality explains it; the same error if it explains nothing."""
    meaning = LOCALITY_MEANINGS.get((error.status, locality or ""))
    if meaning is None or is_explained(error):
        return error
    words = f"{meaning.words}: {error.what}"
    return meaning.as_error(words, path=error.path, status=error.status, retry_after=error.retry_after)
