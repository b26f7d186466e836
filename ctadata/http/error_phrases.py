"""What servers say beyond the status: dCache's reasons and texts, and what the state of a file adds to a failure.

A door answers nearly all its troubles with 500 and a sentence (dcache.md 4), a pool with 400 and a reason phrase
(dcache.md 1.4, 1.6). The phrases are those of the sources named there, in whatever case; what is not known here keeps
the meaning of its status, and is shown as it was said in any case.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a status or a curl error comes to: the error, its words, and what to do.

    final: no repetition helps within the run, whatever the kind of the error says.
    """

    error: type[CtadataError]
    words: str
    hint: str = ""
    final: bool = False

    def as_error(
        self, words: str, *, path: str = "", status: int = 0, retry_after: float | None = None
    ) -> CtadataError:
        """The error, with these words about one case."""
        error = self.error(words, hint=self.hint, path=path, status=status, retry_after=retry_after)
        error.retryable = error.retryable and not self.final
        return error


@dataclass(frozen=True, slots=True)
class ErrorPhrase:
    """A phrase in the reason or the text of an answer; method: where it is about that one alone."""

    status: int
    phrase: str
    meaning: Meaning
    method: str = ""


_LATER = "try again later"
_LATER_OR_TELL = "try again later; if it stays so, tell whoever runs the storage"
_QUOTA = Meaning(StorageFull, "the quota is used up", "delete something, or ask whoever runs the storage for more")
_NO_ROOM = Meaning(StorageFull, "the storage has no room")
_NOT_EMPTY = Meaning(UsageError, "the directory is not empty")
_SLOW = Meaning(ServerTrouble, "part of the storage did not answer in time", _LATER_OR_TELL)

_BROKEN = Meaning(
    IntegrityError,
    "the storage's copy of the file is damaged",
    "no later try helps: upload the file anew, or have it restored by whoever runs the storage",
    final=True,
)
_UNFINISHED = Meaning(
    Busy,
    "the upload of the file has not been completed",
    "wait until it is; if nobody uploads it any more, upload the file anew",
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
            LoginNeeded, "the macaroon is not accepted", "it may have expired, or not be for this: ask for another"
        ),
    ),
    ErrorPhrase(
        401,
        "unencrypted",
        Meaning(AccessError, "the server takes no login without TLS", "write https:// in the profile's door"),
    ),
    ErrorPhrase(401, "Multiple bearer ", Meaning(AccessError, "the server was given two different tokens")),
    ErrorPhrase(500, "File is broken", _BROKEN),
    ErrorPhrase(500, "File upload not yet completed", _UNFINISHED),
    ErrorPhrase(500, "quota exceeded", _QUOTA),  # builds before its issue 7747
    ErrorPhrase(500, "Directory is not empty:", _NOT_EMPTY),
    ErrorPhrase(500, "; directory not empty", _NOT_EMPTY, method="DELETE"),  # XRootD
    ErrorPhrase(500, "preallocate", _NO_ROOM),
    ErrorPhrase(500, "Out of space", _NO_ROOM),
    ErrorPhrase(
        500, "Request to [>PoolManager", Meaning(ServerTrouble, "the storage found no pool in time", _LATER_OR_TELL)
    ),
    ErrorPhrase(500, "No redirect from mover", Meaning(ServerTrouble, "a pool did not answer in time", _LATER_OR_TELL)),
    ErrorPhrase(500, "internal timeout", Meaning(ServerTrouble, "the server is too busy", _LATER)),
    ErrorPhrase(500, "Request to [", _SLOW),
    ErrorPhrase(503, "shutting down", Meaning(Busy, "the server is being restarted", _LATER)),
    ErrorPhrase(507, "SER_QUOTA_EXCEEDED", _QUOTA),
    ErrorPhrase(
        507, "allowed upload size", Meaning(StorageFull, "it is more than this login may upload", "use another one")
    ),
    ErrorPhrase(
        507, "", Meaning(StorageFull, "the storage has no room to fetch the file to disk", _LATER), method="GET"
    ),
)
"""The first one that fits counts."""


def find_phrase(method: str, status: int, said: str) -> Meaning | None:
    """What the words add to a status; None where they add nothing."""
    said = said.lower()
    for saying in ERROR_PHRASES:
        if saying.status == status and saying.method in ("", method) and saying.phrase.lower() in said:
            return saying.meaning
    return None


_COMING = Meaning(NeedsStaging, "the file is on tape, and on its way to disk", "try again later, or stage it first")
_OFFLINE = Meaning(ServerTrouble, "the pool that has the file is offline", _LATER_OR_TELL)
_LOST = Meaning(CtadataError, "the storage has lost the file", "tell whoever runs the storage")

LOCALITY_MEANINGS: dict[tuple[int, str], Meaning] = {
    (403, "NEARLINE"): Meaning(
        Forbidden, "the file is on tape, and may not be staged", "ask whoever runs the storage to have it on disk"
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
"""What the failure of a GET comes to, by its status (0: silence) and the file's locality (dcache.md 4)."""


def is_explained(error: CtadataError) -> bool:
    """Whether the server's own words have said what its 500 means, so that no locality says it better."""
    return error.status == 500 and not isinstance(error, ServerTrouble)


def explain_by_locality(error: CtadataError, locality: str | None) -> CtadataError:
    """The failure of a GET as the file's locality explains it; the same error where it explains nothing."""
    meaning = LOCALITY_MEANINGS.get((error.status, locality or ""))
    if meaning is None or is_explained(error):
        return error
    words = f"{meaning.words}: {error.what}"
    return meaning.as_error(words, path=error.path, status=error.status, retry_after=error.retry_after)
