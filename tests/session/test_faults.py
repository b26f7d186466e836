"""Faults between client, door and pool, beyond the table of test_fault_matrix.py."""

import contextlib
import os
import threading
import time
import zlib
from pathlib import Path

import pytest
from session.conftest import OpenSession

from ctadata import errors
from ctadata.sandbox import Sandbox, faults
from ctadata.sandbox.namespace import NamespaceError
from ctadata.session import Session
from ctadata.transfer import run as transfer_run
from ctadata.transfer.report import NullReporter, Outcome

HOME = "/lst/users/ada"
SIZE = 700_000
NEW = bytes(i * 7 % 251 for i in range(SIZE))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry at once."""
    monkeypatch.setattr(transfer_run, "FIRST_PAUSE", 0.001)


@pytest.fixture
def session(open_session: OpenSession, monkeypatch: pytest.MonkeyPatch) -> Session:
    session = open_session()
    monkeypatch.setattr(session.store._client, "_sleep", lambda seconds: None)  # type: ignore[attr-defined]
    return session


def test_an_outcome_has_the_digest_and_the_number_of_retries(box: Sandbox, session: Session, tmp_path: Path) -> None:
    box.files.put("/lst/f", NEW)
    box.faults.add("pool", "GET", "*", faults.Flip(at=5), times=2)
    told: list[Outcome] = []

    class Keeping(NullReporter):
        def ended(self, outcome: Outcome) -> None:
            told.append(outcome)

    session.get(["lst/f"], str(tmp_path / "f"), reporter=Keeping())
    assert (told[0].digest, told[0].retries) == (f"adler32:{zlib.adler32(NEW):08x}", 2)


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


@pytest.fixture
def local(tmp_path: Path) -> Path:
    (tmp_path / "f").write_bytes(NEW)
    return tmp_path / "f"


def test_a_token_renewed_during_a_run_loses_nothing(box: Sandbox, open_session: OpenSession, tmp_path: Path) -> None:
    for i in range(40):
        box.files.put(f"/lst/d/{i}", b"x" * i)
    session = open_session()
    old, changed = session.tokens.bearer(), threading.Event()
    box.faults.add("door", "GET", "/lst/d/7", faults.Delay(until=changed), times=1)
    box.faults.add("door", "GET", "/lst/d/7", faults.Status(401, "login failed"), times=1)

    class Renewing(NullReporter):
        first = threading.Lock()

        def ended(self, outcome: Outcome) -> None:
            if self.first.acquire(blocking=False):
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


def test_a_link_that_leads_nowhere_is_not_replaced(box: Sandbox, session: Session, tmp_path: Path) -> None:
    box.files.put("/lst/f", NEW)
    (tmp_path / "f").symlink_to("nowhere")
    summary = session.get(["lst/f"], str(tmp_path / "f"))
    assert [str(error) for error in summary.errors] == [
        f"{tmp_path}/f: local: a link that leads nowhere stands in the way"
    ]
    assert [path.name for path in tmp_path.iterdir() if path.is_symlink()] == ["f"]


@pytest.mark.parametrize("old", [None, b"old"])
def test_a_late_copy_of_an_upload_that_libcurl_repeats_leaves_no_empty_file(
    box: Sandbox, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bytes | None
) -> None:
    """The door that goes away still handles the first copy, after the second one was verified and before its move."""
    target, temporary, moving, back = f"{HOME}/late", list[str](), threading.Event(), threading.Event()
    monkeypatch.setattr(session.store._client, "_sleep", lambda seconds: back.wait(60))  # type: ignore[attr-defined]
    if old is not None:
        box.files.put(target, old)

    def restart() -> None:
        box.stop_door()
        box.start_door()
        back.set()
        assert moving.wait(60)  # the handler goes on then, and creates its entry

    def await_the_first_copy() -> None:
        temporary[:] = [path for path in box.files.tree(HOME) if ".ctadata-" in path]
        moving.set()
        deadline = time.monotonic() + 60
        with contextlib.suppress(FileNotFoundError, NamespaceError):  # it has just been replaced or removed
            while box.files.read(temporary[0]) == NEW and time.monotonic() < deadline:
                threading.Event().wait(0.01)

    (tmp_path / "late").write_bytes(NEW)
    box.faults.add("door", "PUT", f"{HOME}/*", faults.Meanwhile(restart), times=1)
    box.faults.add("door", "MOVE", f"{HOME}/*", faults.Meanwhile(await_the_first_copy), times=1)
    summary = session.put([str(tmp_path / "late")], target)
    assert (summary.done, [str(error) for error in summary.errors]) == (1, [])
    assert temporary
    assert box.files.read(target) == NEW


@pytest.mark.parametrize(
    "change",
    [lambda file: os.truncate(file, 1000), lambda file: os.truncate(file, 0), lambda file: file.write_bytes(NEW * 2),
     lambda file: file.write_bytes(NEW[::-1])],
    ids=["shorter", "empty", "longer", "other bytes"],
)  # fmt: skip
def test_a_file_that_changes_during_its_upload_is_a_local_error(box: Sandbox, session, tmp_path: Path, change) -> None:
    file = tmp_path / "f"
    file.write_bytes(NEW)
    os.utime(file, (1e9, 1e9))
    box.faults.add("door", "PUT", f"{HOME}/*", faults.Meanwhile(lambda: change(file)), times=1)
    summary = session.put([str(file)], f"{HOME}/f")
    assert [str(error.what) for error in summary.errors] == ["local: the file changed while it was read"]
    assert summary.exit_code == 11
    assert box.files.tree(HOME) == []
