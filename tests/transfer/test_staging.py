"""Held back until they are on disk: what is asked for, when, and what becomes of files that do not come."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from ctadata.errors import CtadataError, NeedsStaging, TemporaryError, UsageError
from ctadata.paths import RemotePath
from ctadata.stores.recalls import Recall
from ctadata.transfer.staging import FIRST_PAUSE, Staging


@dataclass(frozen=True)
class Job:
    remote: RemotePath
    on_tape: bool


@dataclass
class Library:
    """Brings files when told to; `most` at a time are asked for."""

    most: int = 1000
    asked: list[list[str]] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    states: dict[str, tuple[str, str]] = field(default_factory=dict)
    trouble: list[CtadataError] = field(default_factory=list)

    def stage(self, paths, *, lifetime=None):
        if len(paths) > self.most:
            raise UsageError("too many", status=413)
        self.asked.append([path.name for path in paths])
        return str(len(self.asked) - 1)

    def status(self, request):
        if self.trouble:
            raise self.trouble.pop()
        return [Recall(RemotePath((n,)), *self.states.get(n, ("STARTED", ""))) for n in self.asked[int(request)]]

    def release(self, request, paths):
        self.released += [path.name for path in paths]

    def bring(self, *names, state="COMPLETED", error=""):
        for name in names:
            self.states[name] = (state, error)


@pytest.fixture
def library():
    return Library()


@dataclass
class Watch:
    """Says how long was waited, and does something each time."""

    then: list = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def __call__(self, seconds):
        self.waits.append(seconds)
        return bool(self.then and self.then.pop(0)())


def staging(library, then=(), **more):
    failures, words, watch = [], [], Watch(list(then))
    made = Staging(library, watch, lambda error, path: failures.append((path.name, error)), words.append, **more)
    return made, failures, words, watch


def jobs(disk=(), tape=()):
    return [Job(RemotePath((n,)), on_tape=False) for n in disk] + [Job(RemotePath((n,)), on_tape=True) for n in tape]


def names(fed):
    return [job.remote.name for job in fed]


def test_files_on_disk_do_not_wait(library):
    made, failures, words, watch = staging(library)
    assert names(made.release_when_online(jobs(disk="abc"))) == ["a", "b", "c"]
    assert (library.asked, failures, words, watch.waits) == ([], [], [], [])


def test_files_on_tape_are_requested_together_and_released_when_online(library):
    made, _, words, watch = staging(library, then=[lambda: library.bring("y"), lambda: library.bring("x", "z")])
    assert names(made.release_when_online(jobs("ab", "xyz"))) == ["a", "b", "y", "x", "z"]
    assert library.asked == [["x", "y", "z"]]
    assert words == ["3 files are on tape and requested, with stage request 0"]
    assert watch.waits == [FIRST_PAUSE, FIRST_PAUSE]  # sooner again as soon as something has come


def test_full_batches_are_requested_while_the_tree_is_walked(library):
    made, *_ = staging(library, batch=2)
    fed = made.release_when_online(iter(jobs(tape="uv") + jobs(disk="a") + jobs(tape="wx")))
    library.bring(*"uvwx")
    assert next(fed).remote.name == "a"
    assert library.asked == [["u", "v"]]
    assert sorted(names(fed)) == ["u", "v", "w", "x"]
    assert library.asked == [["u", "v"], ["w", "x"]]


def test_checks_become_rarer(library):
    made, _, _, watch = staging(library, then=[lambda: None] * 20 + [lambda: library.bring("x")])
    assert names(made.release_when_online(jobs(tape="x"))) == ["x"]
    assert watch.waits[1] == FIRST_PAUSE * 1.5
    assert max(watch.waits) == 60.0


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_a_file_that_does_not_come_fails_alone(library, state):
    library.bring("x", state=state, error="the robot has dropped it" if state == "FAILED" else "")
    made, failures, *_ = staging(library, then=[lambda: library.bring("y")])
    assert names(made.release_when_online(jobs(tape="xy"))) == ["y"]
    ((name, error),) = failures
    assert (name, type(error)) == ("x", NeedsStaging)
    assert ("dropped" if state == "FAILED" else "cancelled") in error.what


def test_a_site_that_accepts_fewer_files_in_a_request(library):
    library.most = 3
    library.bring(*"abcdefgh")
    made, failures, *_ = staging(library)
    assert sorted(names(made.release_when_online(jobs(tape="abcdefgh")))) == list("abcdefgh")
    assert all(len(asked) <= 3 for asked in library.asked)
    assert failures == []


def test_a_library_that_fails_for_a_while(library):
    library.trouble = [TemporaryError("busy"), TemporaryError("busy")]
    library.bring("x")
    made, failures, *_ = staging(library)
    assert names(made.release_when_online(jobs(tape="x"))) == ["x"]
    assert failures == []


def test_a_lost_request_fails_its_files(library):
    library.trouble = [CtadataError("not found")]
    made, failures, *_ = staging(library)
    assert names(made.release_when_online(jobs(tape="xy"))) == []
    assert sorted(name for name, _ in failures) == ["x", "y"]


def test_a_stop_ends_the_wait_and_says_what_goes_on(library):
    made, failures, words, _ = staging(library, then=[lambda: True])
    assert names(made.release_when_online(jobs(tape="x"))) == []
    made.end()
    assert failures == []
    assert words[-1] == "stage request 0 goes on; see stage-status, or end it with release"


def test_at_the_end_the_files_that_came_are_released(library):
    library.bring("x")
    made, *_ = staging(library, then=[lambda: False, lambda: True])
    assert names(made.release_when_online(jobs(tape="xy"))) == ["x"]
    made.end()
    assert library.released == ["x"]


def test_a_file_that_is_named_twice_is_requested_once(library):
    library.bring("x")
    made, *_ = staging(library)
    assert names(made.release_when_online(jobs(tape="xx"))) == ["x", "x"]
    assert library.asked == [["x"]]
