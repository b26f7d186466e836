"""All errors: what happened, what the user can do, whether a retry may help, and the exit code.

::

    CtadataError                     1   any other error
    ├── UsageError                   2   the command or the call is wrong
    │   ├── NoDirectory              2   a path that names a directory is a file
    │   └── ConfigError              2   the profile, the settings file or the environment is wrong
    ├── Unsupported                  2   the storage cannot do this, for any user
    ├── NotFound                     3   no such file or collection
    ├── AccessError                  4   the server refuses this user
    │   ├── LoginNeeded              4   no token, or a token that the server refuses: log in
    │   ├── Forbidden                4   logged in, and not allowed
    │   └── Untrusted                4   a certificate or a redirect that must not be followed
    ├── TemporaryError               5   a retry may help
    │   ├── Unreachable              5   no connection: refused, reset, no such host
    │   ├── Interrupted              5   the connection ended within a body
    │   ├── Changed                  5   the file changed while it was read
    │   ├── Busy                     5   429 or 503; `retry_after` says when to try again
    │   └── ServerTrouble            5   another 5xx
    ├── TimedOut                   124   silence beyond the limit; a retry may help
    ├── PartialFailure               6   some files done, some failed
    │   └── Incomplete               6   a listing lacks some entries
    │       └── Unnameable           6   a listing is complete, but no path can name some of its keys
    ├── NotDeleted                   6   a name was kept, because it has changed since its deletion was planned
    ├── IntegrityError               7   the bytes differ from what the other side announces
    ├── AlreadyExists                8   the name is taken, and may not be replaced
    ├── NothingMatched               9   a pattern without a match
    ├── NeedsStaging                10   the file is on tape
    ├── StorageFull                 11   no room: local disk, quota or pool
    ├── LocalError                  11   the local file system refuses
    └── Stopped                    130   the user stopped the run

The table in the reference of the commands has the same exit codes. `ctadata.cli.main` alone turns an error into words
and an exit code.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from ctadata.printable import escape_unprintable


class CtadataError(Exception):
    """The base of all errors of this package.

    Attributes:
        what: One sentence without a final full stop: what happened, with the server's reason.
        hint: What the user can do; empty if there is nothing to advise.
        path: The remote or local path of the failure; empty if it has none.
        status: The HTTP status of the failure; 0 if it has none.
        retry_after: Seconds that the server asks to wait; None if it does not say.
        retries: How often the work was repeated before it was given up.
        given_up: Whether all attempts are used, so that an immediate retry is of no use.
        retryable: Whether the same request may succeed later, as far as the class of the error or the server says.
    """

    exit_code: ClassVar[int] = 1
    retryable: bool = False

    def __init__(
        self, what: str, *, hint: str = "", path: str = "", status: int = 0, retry_after: float | None = None
    ) -> None:
        """Create an error; the attributes of the class describe the arguments."""
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.path = path
        self.status = status
        self.retry_after = retry_after
        self.retries = 0
        self.given_up = False

    def __str__(self) -> str:
        """Return one line: the path, what happened, and the hint, without characters that control a terminal."""
        text = f"{self.path}: {self.what}" if self.path else self.what
        return escape_unprintable(f"{text} ({self.hint})" if self.hint else text)

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython and notebooks show: the caller's frames; with CTADATA_DEBUG=1 all."""
        from ctadata.tracebacks import caller_traceback  # imported late: only notebooks need it

        return caller_traceback(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what pickle needs: the attributes, whatever the initialiser of the class takes."""
        return restore_error, (type(self), self.args), self.__dict__


def restore_error(kind: type[CtadataError], args: tuple[Any, ...]) -> CtadataError:
    """Make an error that pickle gives its attributes."""
    error = kind.__new__(kind)
    error.args = args
    return error


class UsageError(CtadataError):
    """The command or the call is wrong."""

    exit_code = 2


class NoDirectory(UsageError):
    """A path that names a directory is a file."""


class ConfigError(UsageError):
    """A profile, a settings file or a variable of the environment is wrong or missing."""


class Unsupported(CtadataError):
    """The storage cannot do this, for any user: its kind of store lacks it, or the server says so (405, 501)."""

    exit_code = 2


class NotFound(CtadataError):
    """There is no such file or collection."""

    exit_code = 3


class AccessError(CtadataError):
    """The server refuses this user."""

    exit_code = 4


class LoginNeeded(AccessError):
    """There is no token, or the server refuses the token."""


class Forbidden(AccessError):
    """The user is logged in, and not allowed to do this."""


class Untrusted(AccessError):
    """A certificate does not verify, or a redirect must not be followed."""


class TemporaryError(CtadataError):
    """A retry may help."""

    exit_code = 5
    retryable = True


class Unreachable(TemporaryError):
    """There is no connection: refused, reset before an answer, or an unknown host."""


class Interrupted(TemporaryError):
    """The connection ended within a body."""


class Changed(TemporaryError):
    """The file changed while it was read.

    Attributes:
        about: What has shown the change; empty if the error does not say.
    """

    def __init__(
        self, what: str = "", *, hint: str = "try again when the file is no longer written", path: str = ""
    ) -> None:
        """Create the error; `what` says what has shown the change."""
        about = f": {what}" if what else ""
        super().__init__(f"the file changed while it was read{about}", hint=hint, path=path)
        self.about = what


class Busy(TemporaryError):
    """The server is busy (429 or 503)."""


class ServerTrouble(TemporaryError):
    """The server failed (5xx)."""


class TimedOut(CtadataError):
    """The server was silent for longer than the limit."""

    exit_code = 124
    retryable = True


class NotDeleted(CtadataError):
    """A name was kept, because it or its source has changed since its deletion was planned or asked for."""

    exit_code = 6


class IntegrityError(CtadataError):
    """The bytes differ from what the other side announces, in size or digest."""

    exit_code = 7
    retryable = True


class AlreadyExists(CtadataError):
    """The name is taken, and may not be replaced."""

    exit_code = 8


class NothingMatched(CtadataError):
    """A pattern has no match."""

    exit_code = 9


class NeedsStaging(CtadataError):
    """The file is on tape, and has to be staged first."""

    exit_code = 10


class StorageFull(CtadataError):
    """There is no room: quota, pool or local disk."""

    exit_code = 11


class LocalError(CtadataError):
    """The local file system refuses: no permission, read-only, a name that is too long, not a file."""

    exit_code = 11


class Stopped(CtadataError):
    """The user stopped the run."""

    exit_code = 130


class PartialFailure(CtadataError):
    """A call for many files has tried all of them, and some failed.

    Attributes:
        failures: The errors, each with its path.
        done: The results of the files that succeeded, as the call would have returned them.
    """

    exit_code = 6

    def __init__(self, failures: Sequence[CtadataError], done: Sequence[Any]) -> None:
        """Create the error of a call with these failures and these results."""
        count = len(failures)
        super().__init__(f"{count} of {count + len(done)} failed: {failures[0]}" if failures else "nothing failed")
        self.failures = list(failures)
        self.done = list(done)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what a pickle needs, so that the error can leave a process."""
        return type(self), (self.failures, self.done)

    @property
    def code(self) -> int:
        """The exit code of the run.

        It is 10 if all failures are files on tape. Else it is 6 if some files are done, and the code of the first
        failure if none is.
        """
        if self.failures and all(isinstance(failure, NeedsStaging) for failure in self.failures):
            return NeedsStaging.exit_code
        return 6 if self.done or not self.failures else self.failures[0].exit_code


class Incomplete(PartialFailure):
    """A listing lacks some entries. The entries that it has are right, and a missing name proves nothing.

    Attributes:
        failures: An error for each entry that could not be listed, at most some hundred of them.
        count: The number of entries that could not be listed.
        path: The path of the collection.
    """

    def __init__(
        self, failures: Sequence[CtadataError], done: Sequence[Any] = (), *, count: int = 0, path: str = ""
    ) -> None:
        """Create the error of a listing.

        Args:
            failures: The errors, as in the attribute.
            done: The entries, if the caller has received none.
            count: The number of entries that could not be listed.
            path: The path of the collection.
        """
        super().__init__(failures, done)
        self.count = max(count, len(failures))
        self.path = path
        named = "; ".join(": ".join(filter(None, (each.path, each.what))) for each in failures[:3])
        more = f"; and {self.count - 3} more" if self.count > 3 else ""
        self.what = f"{self._summary()}: {named}{more}"

    def _summary(self) -> str:
        return f"the listing is incomplete, {self.count} of its names could not be listed"

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what a pickle needs, so that the error can leave a process."""
        return _incomplete, (type(self), self.failures, self.done, self.count, self.path)


class Unnameable(Incomplete):
    """A listing is complete, but no path can name some of its keys: it has no entries for them, and all others.

    A name that is neither in the listing nor in `counterparts` does not exist.

    Attributes:
        counterparts: The paths that such keys have if empty names and `.` are dropped and `..` goes up, as names from
            the store's root; None if there are more keys than are known.
    """

    def __init__(
        self,
        failures: Sequence[CtadataError],
        done: Sequence[Any] = (),
        *,
        count: int = 0,
        path: str = "",
        counterparts: Collection[tuple[str, ...]] | None = None,
    ) -> None:
        """Create the error of a listing; the arguments are those of `Incomplete`, and the attribute."""
        super().__init__(failures, done, count=count, path=path)
        self.counterparts = counterparts

    @property
    def code(self) -> int:
        """The exit code of a command that lists. It is 6, because all other entries are there."""
        return self.exit_code

    def _summary(self) -> str:
        return f"{self.count} of its keys could not be listed"

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what a pickle needs, so that the error can leave a process."""
        return *super().__reduce__(), {"counterparts": self.counterparts}


def _incomplete(
    kind: type[Incomplete], failures: Sequence[CtadataError], done: Sequence[Any], count: int, path: str
) -> Incomplete:
    return kind(failures, done, count=count, path=path)
