"""What may go wrong between us, a door and a pool: never a wrong or partial file under a final name.

Each fault is tried once (the run recovers) and for ever (the run fails in words, and the old file stands).
"""

import threading
import zlib
from pathlib import Path

import pytest
from session.conftest import OpenSession

from ctadata import errors
from ctadata.sandbox import Sandbox, faults
from ctadata.session import Session
from ctadata.transfer import run as transfer_run
from ctadata.transfer.report import Outcome, Silent

HOME = "/lst/users/ada"
SIZE = 700_000
NEW, OLD = bytes(i * 7 % 251 for i in range(SIZE)), b"the old content"

Fail = tuple[str, str, faults.Fault]
DOWN: dict[str, tuple[Fail, type[errors.CtadataError], str]] = {
    "one flipped byte": (("pool", "GET", faults.Flip(at=123_456)), errors.IntegrityError, "adler32"),
    "first byte flipped": (("pool", "GET", faults.Flip(at=0)), errors.IntegrityError, "adler32"),
    "short body": (("pool", "GET", faults.Short(by=1)), errors.Interrupted, "1 bytes missing"),
    "longer than it is": (("pool", "GET", faults.Long(by=5, announced=True)), errors.IntegrityError, "700000"),
    "cut at the start": (("pool", "GET", faults.Cut(after=0)), errors.Interrupted, ""),
    "500 at the door": (
        ("door", "GET", faults.Status(500, "Internal problem: no pool")),
        errors.ServerTrouble,
        "Internal problem: no pool",
    ),
    "500 at the pool": (("pool", "GET", faults.Status(500, "Disk error")), errors.ServerTrouble, "Disk error"),
    "wrong digest": (("pool", "GET", faults.WrongDigest()), errors.IntegrityError, "adler32"),
    "refused": (("door", "GET", faults.Status(401, "login failed")), errors.LoginNeeded, "login failed"),
    "forbidden": (("door", "GET", faults.Status(403, "Forbidden")), errors.Forbidden, "Forbidden"),
    "busy": (("door", "GET", faults.Status(429, "Too Many Requests")), errors.Busy, "Too Many Requests"),
}
UP: dict[str, tuple[Fail, type[errors.CtadataError], str]] = {
    "one flipped byte": (("pool", "PUT", faults.Flip(at=123_456)), errors.IntegrityError, ""),
    "cut at the start": (("pool", "PUT", faults.Cut(after=0)), errors.CtadataError, ""),
    "cut in the middle": (("pool", "PUT", faults.Cut(after=333_333)), errors.CtadataError, ""),
    "pool full while sending": (("pool", "PUT", faults.Full(after=100_000)), errors.StorageFull, "No space left"),
    "pool full at once": (("pool", "PUT", faults.Prealloc()), errors.CtadataError, "preallocate"),
    "door full": (
        ("door", "PUT", faults.Status(507, "Insufficient storage: SER_QUOTA_EXCEEDED")),
        errors.StorageFull,
        "SER_QUOTA_EXCEEDED",
    ),
    "500 at the door": (("door", "PUT", faults.Status(500, "Internal problem: x")), errors.ServerTrouble, "problem: x"),
    "answer lost": (("pool", "PUT", faults.LostAnswer()), errors.CtadataError, ""),
    "refused": (("door", "PUT", faults.Status(401, "login failed")), errors.LoginNeeded, "login failed"),
    "move fails": (("door", "MOVE", faults.Status(500, "Internal problem: y")), errors.ServerTrouble, "problem: y"),
}
ONCE_IS_ENOUGH = {"refused", "forbidden", "door full", "pool full while sending", "pool full at once"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other at once."""
    monkeypatch.setattr(transfer_run, "FIRST_PAUSE", 0.001)


@pytest.fixture
def session(open_session: OpenSession, monkeypatch: pytest.MonkeyPatch) -> Session:
    session = open_session()
    monkeypatch.setattr(session.store._client, "_sleep", lambda seconds: None)  # type: ignore[attr-defined]
    return session


def add(box: Sandbox, fail: Fail, *, times: int | None) -> faults.Rule:
    server, method, fault = fail
    return box.faults.add(server, method, "*", fault, times=times)


def no_leftovers(folder: Path) -> bool:
    return not [p for p in folder.rglob("*") if ".ctadata-" in p.name]


@pytest.mark.parametrize("name", [n for n in DOWN if n not in ONCE_IS_ENOUGH])
def test_a_download_survives_a_fault_that_passes(box: Sandbox, session: Session, tmp_path: Path, name: str) -> None:
    box.files.put("/lst/f", NEW)
    rule = add(box, DOWN[name][0], times=1)
    summary = session.get(["lst/f"], str(tmp_path / "f"))
    assert (summary.failed, summary.done, rule.hits) == ([], 1, 1)
    assert (tmp_path / "f").read_bytes() == NEW
    assert no_leftovers(tmp_path)


def test_an_outcome_tells_the_digest_and_how_often_it_was_tried_again(
    box: Sandbox, session: Session, tmp_path: Path
) -> None:
    box.files.put("/lst/f", NEW)
    box.faults.add("pool", "GET", "*", faults.Flip(at=5), times=2)
    told: list[Outcome] = []

    class Keeping(Silent):
        def ended(self, outcome: Outcome) -> None:
            told.append(outcome)

    session.get(["lst/f"], str(tmp_path / "f"), reporter=Keeping())
    assert (told[0].digest, told[0].retries) == (f"adler32:{zlib.adler32(NEW):08x}", 2)


@pytest.mark.parametrize("name", DOWN)
@pytest.mark.parametrize("old", [True, False], ids=["over an old file", "to a new name"])
def test_a_download_that_cannot_succeed(box: Sandbox, session: Session, tmp_path: Path, name: str, old: bool) -> None:
    box.files.put("/lst/f", NEW)
    if old:
        (tmp_path / "f").write_bytes(OLD)
    fail, kind, words = DOWN[name]
    add(box, fail, times=None)
    summary = session.get(["lst/f"], str(tmp_path / "f"))
    [error] = summary.errors
    assert isinstance(error, kind), error
    assert words in str(error)
    assert error.path == "/lst/f"
    assert summary.exit_code == kind.exit_code
    assert (tmp_path / "f").exists() == old
    assert not old or (tmp_path / "f").read_bytes() == OLD
    assert no_leftovers(tmp_path)


@pytest.mark.parametrize("reset", [False, True])
def test_a_download_that_is_cut_again_and_again_gets_there_as_long_as_it_goes_on(
    box: Sandbox, session: Session, tmp_path: Path, reset: bool
) -> None:
    box.files.put("/lst/f", NEW)
    rule = box.faults.add("pool", "GET", "*", faults.Cut(after=90_000, reset=reset))
    assert session.get(["lst/f"], str(tmp_path / "f")).done == 1
    assert (tmp_path / "f").read_bytes() == NEW
    assert transfer_run.TRIES < rule.hits < 30


@pytest.mark.parametrize("at", [0, 1, 65_535, 65_536, 400_000, SIZE - 1])
def test_a_download_cut_at_any_place_goes_on_where_it_was_cut(
    box: Sandbox, session: Session, tmp_path: Path, at: int
) -> None:
    box.files.put("/lst/f", NEW)
    box.faults.add("pool", "GET", "*", faults.Cut(after=at), times=1)
    session.get(["lst/f"], str(tmp_path / "f"))
    assert (tmp_path / "f").read_bytes() == NEW
    ranges = [dict(seen.headers).get("Range") for seen in box.seen if seen.server.startswith("pool")]
    if at > 100_000:
        assert str(ranges[-1]).startswith("bytes=")


def test_a_file_that_changes_between_two_tries_is_not_put_together_from_both(
    box: Sandbox, session: Session, tmp_path: Path
) -> None:
    box.files.put("/lst/f", NEW)
    other = bytes(reversed(NEW))
    rule = box.faults.add("pool", "GET", "*", faults.Cut(after=300_000), times=1)

    class Changing(Silent):
        def moved(self, name: str, size: int) -> None:
            if rule.hits and not changed:
                changed.append(True)
                box.files.put("/lst/f", other)

    changed: list[bool] = []
    summary = session.get(["lst/f"], str(tmp_path / "f"), reporter=Changing())
    assert changed
    if summary.done:
        assert (tmp_path / "f").read_bytes() == other
    else:
        assert not (tmp_path / "f").exists()


@pytest.fixture
def local(tmp_path: Path) -> Path:
    (tmp_path / "f").write_bytes(NEW)
    return tmp_path / "f"


@pytest.mark.parametrize("name", [n for n in UP if n not in ONCE_IS_ENOUGH])
def test_an_upload_survives_a_fault_that_passes(box: Sandbox, session: Session, local: Path, name: str) -> None:
    rule = add(box, UP[name][0], times=1)
    summary = session.put([str(local)], "f")
    assert ([str(e) for e in summary.errors], summary.done, rule.hits) == ([], 1, 1)
    assert box.files.read(f"{HOME}/f") == NEW
    assert box.files.tree(HOME) == [f"{HOME}/f"]


@pytest.mark.parametrize("name", UP)
@pytest.mark.parametrize("old", [True, False], ids=["over an old file", "to a new name"])
def test_an_upload_that_cannot_succeed(box: Sandbox, session: Session, local: Path, name: str, old: bool) -> None:
    if old:
        box.files.put(f"{HOME}/f", OLD)
    fail, kind, words = UP[name]
    add(box, fail, times=None)
    summary = session.put([str(local)], "f")
    [error] = summary.errors
    assert isinstance(error, kind), error
    assert words in str(error)
    assert summary.exit_code == type(error).exit_code != 0
    assert box.files.tree(HOME) == ([f"{HOME}/f"] if old else [])
    assert not old or box.files.read(f"{HOME}/f") == OLD


def test_a_move_whose_answer_is_lost_has_happened_all_the_same(box: Sandbox, session: Session, local: Path) -> None:
    box.faults.add("door", "MOVE", "*", faults.LostAnswer(), times=1)
    summary = session.put([str(local)], "f")
    assert ([str(e) for e in summary.errors], summary.done) == ([], 1)
    assert box.files.tree(HOME) == [f"{HOME}/f"]


def test_a_token_that_is_renewed_in_mid_run_loses_nothing(
    box: Sandbox, open_session: OpenSession, tmp_path: Path
) -> None:
    for i in range(40):
        box.files.put(f"/lst/d/{i}", b"x" * i)
    session = open_session()
    old, changed = session.tokens.bearer(), threading.Event()
    box.faults.add("door", "GET", "/lst/d/7", faults.Delay(until=changed), times=1)
    box.faults.add("door", "GET", "/lst/d/7", faults.Status(401, "login failed"), times=1)

    class Renewing(Silent):
        def ended(self, outcome: Outcome) -> None:
            if not changed.is_set():
                fresh = tmp_path / "fresh"
                fresh.touch(mode=0o600)
                fresh.write_text(box.token(jti="new"))
                fresh.replace(tmp_path / "token")
                changed.set()

    summary = session.get(["lst/d"], str(tmp_path / "out"), recursive=True, reporter=Renewing())
    assert (summary.done, summary.failed) == (40, [])
    assert session.tokens.bearer() != old


def test_the_token_never_reaches_a_pool(box: Sandbox, session: Session, local: Path, tmp_path: Path) -> None:
    token = session.tokens.bearer() or ""
    session.put([str(local)], "f")
    session.get(["home:f"], str(tmp_path / "back"))
    at_pools = [seen for seen in box.seen if seen.server.startswith("pool")]
    assert {seen.method for seen in at_pools} == {"GET", "PUT"}
    for seen in at_pools:
        assert token not in repr(seen)
        assert "authorization" not in {name.lower() for name, _ in seen.headers}
    door_bodies = [seen.body_bytes for seen in box.seen if seen.server == "door" and seen.method == "PUT"]
    assert door_bodies == [0]


@pytest.mark.parametrize("location", ["https://localhost:1/x", "file:///etc/passwd", "http://127.0.0.1:1/x"])
def test_a_hostile_redirect_is_not_followed_with_the_token(
    box: Sandbox, session: Session, tmp_path: Path, location: str
) -> None:
    box.files.put("/lst/f", NEW)
    box.faults.add("door", "GET", "/lst/f", faults.Redirect(location))
    summary = session.get(["lst/f"], str(tmp_path / "f"))
    assert summary.exit_code in (errors.Untrusted.exit_code, errors.Unreachable.exit_code)
    assert not (tmp_path / "f").exists()


def test_a_link_on_the_disk_does_not_lead_a_download_elsewhere(box: Sandbox, session: Session, tmp_path: Path) -> None:
    box.files.put("/lst/d/sub/f", NEW)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "d").mkdir(parents=True)
    (tmp_path / "out" / "d" / "sub").symlink_to(tmp_path / "elsewhere")
    summary = session.get(["lst/d"], str(tmp_path / "out"), recursive=True)
    assert summary.exit_code == errors.LocalError.exit_code
    assert list((tmp_path / "elsewhere").iterdir()) == []
