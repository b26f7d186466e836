"""Every error: what happened, what to do, whether trying again can help, which exit code.

::

    CtadataError                     1   anything else
    ├── UsageError                   2   the command or call cannot be understood
    │   └── ConfigError              2   a profile, a settings file, a value in the environment
    ├── Unsupported                  2   the place cannot do this, whoever asks
    ├── NotFound                     3   no such file or collection
    ├── AccessError                  4   the server will not, for who we are
    │   ├── LoginNeeded              4   no token, or none that is accepted: log in
    │   ├── Forbidden                4   logged in, and not allowed
    │   └── Untrusted                4   a certificate or redirect that we must not follow
    ├── TemporaryError               5   may work when tried again
    │   ├── Unreachable              5   no connection: refused, reset, no such host
    │   ├── Interrupted              5   the connection ended in mid-body
    │   ├── Changed                  5   the file became another one while it was read
    │   ├── Busy                     5   429 or 503; `retry_after` says when
    │   └── ServerTrouble            5   other 5xx
    ├── TimedOut                   124   silence past the limit (may work when tried again)
    ├── PartialFailure               6   some files done, some failed
    │   └── Incomplete               6   a listing lacks some of what is there
    │       └── Unnameable           6   a listing is whole, and no path can name some of its keys
    ├── IntegrityError               7   bytes that are not what the other side says they are
    ├── AlreadyExists                8   the name is taken, and may not be replaced
    ├── NothingMatched               9   a pattern without a match
    ├── NeedsStaging                10   the file is on tape
    ├── StorageFull                 11   no room: local disk, quota, pool
    ├── LocalError                  11   the local file system refused
    └── Stopped                    130   the user said stop

The exit codes are those of the table in the reference of the commands. One place turns an error into
words and an exit code: ``ctadata.cli.main``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, ClassVar


class CtadataError(Exception):
    """What every error of this package is.

    what:  one sentence, without a final full stop; says what happened, with the server's own reason.
    hint:  what to do next; empty where there is nothing to advise.
    path:  the remote or local name it happened to; empty where it is about none.
    status: the HTTP status it came with, 0 where there was none.
    retry_after: seconds that the server asked us to wait, None where it did not say.
    retries: how often something was begun again before it was given up.
    given_up: whether it was tried in full, so that trying again at once is of no use.
    retryable: whether the same request may succeed later, as far as the kind of the error, or the server, says.
    """

    exit_code: ClassVar[int] = 1
    retryable: bool = False

    def __init__(
        self, what: str, *, hint: str = "", path: str = "", status: int = 0, retry_after: float | None = None
    ) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.path = path
        self.status = status
        self.retry_after = retry_after
        self.retries = 0
        self.given_up = False

    def __str__(self) -> str:
        """One line: path, what happened, what to do."""
        text = f"{self.path}: {self.what}" if self.path else self.what
        return f"{text} ({self.hint})" if self.hint else text

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what pickle needs: the attributes, whatever the initialiser of the class takes."""
        return restore_error, (type(self), self.args), self.__dict__


def restore_error(kind: type[CtadataError], args: tuple[Any, ...]) -> CtadataError:
    """Make an error that pickle gives its attributes."""
    error = kind.__new__(kind)
    error.args = args
    return error


class UsageError(CtadataError):
    """The command or the call cannot be understood."""

    exit_code = 2


class ConfigError(UsageError):
    """A profile, a settings file or a value in the environment is wrong or missing."""


class Unsupported(CtadataError):
    """The place cannot do this, whoever asks: a kind of store that lacks it, or a server that says so (405, 501)."""

    exit_code = 2


class NotFound(CtadataError):
    """There is no such file or collection."""

    exit_code = 3


class AccessError(CtadataError):
    """The server will not, for who we are."""

    exit_code = 4


class LoginNeeded(AccessError):
    """No token, or none that the server accepts."""


class Forbidden(AccessError):
    """We are known, and not allowed."""


class Untrusted(AccessError):
    """A certificate that does not verify, or a redirect that must not be followed."""


class TemporaryError(CtadataError):
    """May work when tried again."""

    exit_code = 5
    retryable = True


class Unreachable(TemporaryError):
    """No connection came about: refused, reset before an answer, host unknown."""


class Interrupted(TemporaryError):
    """The connection ended in the middle of a body."""


class Changed(TemporaryError):
    """The file became another one while it was read."""

    def __init__(self, what: str = "", *, hint: str = "once nobody writes to it, try again", path: str = "") -> None:
        """`what`: what has shown it."""
        about = f": {what}" if what else ""
        super().__init__(f"the file changed while it was read{about}", hint=hint, path=path)
        self.about = what


class Busy(TemporaryError):
    """429 or 503: the server asks for patience."""


class ServerTrouble(TemporaryError):
    """The server failed inside (5xx)."""


class TimedOut(CtadataError):
    """Nothing was heard for longer than the limit."""

    exit_code = 124
    retryable = True


class IntegrityError(CtadataError):
    """The bytes are not what the other side says they are: size or digest differ."""

    exit_code = 7
    retryable = True


class AlreadyExists(CtadataError):
    """The name is taken, and may not be replaced."""

    exit_code = 8


class NothingMatched(CtadataError):
    """A pattern without a match."""

    exit_code = 9


class NeedsStaging(CtadataError):
    """The file lies on tape and has to be staged first."""

    exit_code = 10


class StorageFull(CtadataError):
    """No room is left: quota, pool or local disk."""

    exit_code = 11


class LocalError(CtadataError):
    """The local file system refused: permission, read-only, name too long, not a file."""

    exit_code = 11


class Stopped(CtadataError):
    """The user said stop."""

    exit_code = 130


class PartialFailure(CtadataError):
    """A call over many files tried all of them, and some failed.

    failures: the errors, each with its path.
    done:     what the call would have returned for the files that succeeded.
    The exit code is 6 where something was done, else that of the first failure; and 10 where nothing failed but files
    on tape: `code` says which.
    """

    exit_code = 6

    def __init__(self, failures: Sequence[CtadataError], done: Sequence[Any]) -> None:
        count = len(failures)
        super().__init__(f"{count} of {count + len(done)} failed: {failures[0]}" if failures else "nothing failed")
        self.failures = list(failures)
        self.done = list(done)

    def __reduce__(self) -> tuple[Any, ...]:
        """What lets it come out of another process."""
        return type(self), (self.failures, self.done)

    @property
    def code(self) -> int:
        """The exit code of the run: 6, or the first failure's where nothing was done, or 10 for tape alone."""
        if self.failures and all(isinstance(failure, NeedsStaging) for failure in self.failures):
            return NeedsStaging.exit_code
        return 6 if self.done or not self.failures else self.failures[0].exit_code


class Incomplete(PartialFailure):
    """A listing lacks some of what is there. What it gave is true; that it did not give a name proves nothing.

    failures: an error for each member that could not be listed, at most some hundred of them.
    """

    def __init__(
        self, failures: Sequence[CtadataError], done: Sequence[Any] = (), *, count: int = 0, path: str = ""
    ) -> None:
        """`done`: entries, if none were given.   `count`: members in all.   `path`: of the collection."""
        super().__init__(failures, done)
        self.count = max(count, len(failures))
        self.path = path
        named = "; ".join(": ".join(filter(None, (each.path, each.what))) for each in failures[:3])
        more = f"; and {self.count - 3} more" if self.count > 3 else ""
        self.what = f"{self._said()}: {named}{more}"

    def _said(self) -> str:
        return f"the listing is not whole, {self.count} of its names could not be listed"

    def __reduce__(self) -> tuple[Any, ...]:
        """What lets it come out of another process."""
        return _incomplete, (type(self), self.failures, self.done, self.count, self.path)


class Unnameable(Incomplete):
    """A listing that is whole, with keys that no path can name: it gives no entry for them, and all others.

    What it did not give, beside these keys, is not there.
    counterparts: the paths, as names from the store's root, that such keys have where empty names and `.` are left out
        and `..` goes up; None if there are more keys than are known.
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
        """As of an incomplete one."""
        super().__init__(failures, done, count=count, path=path)
        self.counterparts = counterparts

    def _said(self) -> str:
        return f"{self.count} of its keys could not be listed"

    def __reduce__(self) -> tuple[Any, ...]:
        """What lets it come out of another process."""
        return *super().__reduce__(), {"counterparts": self.counterparts}


def _incomplete(
    kind: type[Incomplete], failures: Sequence[CtadataError], done: Sequence[Any], count: int, path: str
) -> Incomplete:
    return kind(failures, done, count=count, path=path)
