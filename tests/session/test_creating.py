"""Uploads with a token that may create, but may not move, replace, delete or list everything that it needs to."""

import os
from pathlib import Path
from uuid import uuid4

import pytest
from servers.real import RealServer
from session.conftest import OpenSession

from ctadata.config.resolve import resolve_profile
from ctadata.errors import Forbidden, Unsupported
from ctadata.sandbox import Sandbox, faults
from ctadata.session import Session
from ctadata.transfer import run as transfer_run

HOME = "/lst/users/ada"
NO = faults.Status(403, "No such right")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry at once."""
    monkeypatch.setattr(transfer_run, "FIRST_PAUSE", 0.001)


@pytest.fixture
def local(tmp_path: Path) -> Path:
    (tmp_path / "dir").mkdir()
    for name in "abc":
        (tmp_path / "dir" / name).write_bytes(name.encode() * 1000)
    return tmp_path / "dir"


def temporaries(box: Sandbox) -> list[str]:
    return [name for name in box.files.tree(HOME) if ".ctadata-" in name]


def refuse(box: Sandbox, *methods: str) -> None:
    for method in methods:
        box.faults.add("door", method, "*", NO)


def test_without_the_right_to_move_new_files_get_their_names_at_once(
    box: Sandbox, session: Session, local: Path
) -> None:
    refuse(box, "MOVE")
    summary = session.put([f"{local}/"], "up", recursive=True, jobs=1)
    assert ([str(e) for e in summary.errors], summary.done) == ([], 3)
    assert box.files.tree(f"{HOME}/up") == [f"{HOME}/up/{name}" for name in "abc"]
    assert [r for r in summary.remarks if "rename" in r and "No such right" in r]
    direct = [
        seen for seen in box.seen if seen.server == "door" and seen.method == "PUT" and "ctadata-" not in seen.target
    ]
    assert {seen.header("If-None-Match") for seen in direct} == {"*"}
    assert len(direct) == 3
    assert sum(seen.method == "MOVE" for seen in box.seen) == 1


def test_nothing_is_overwritten_without_the_right_to_move(box: Sandbox, session: Session, local: Path) -> None:
    box.files.put(f"{HOME}/up/b", b"theirs")
    refuse(box, "MOVE")
    summary = session.put([f"{local}/"], "up", recursive=True, jobs=1)
    assert (summary.done, summary.exit_code) == (2, 6)
    [error] = summary.errors
    assert isinstance(error, Forbidden)
    assert "No such right" in str(error)
    assert box.files.read(f"{HOME}/up/b") == b"theirs"
    assert temporaries(box) == []


def test_a_missing_right_to_replace_is_learnt_from_one_upload(box: Sandbox, session: Session, local: Path) -> None:
    for name in "abc":
        box.files.put(f"{HOME}/up/{name}", b"theirs")
    refuse(box, "MOVE")
    assert len(session.put([f"{local}/"], "up", recursive=True, jobs=1).failed) == 3
    assert sum(seen.method == "MOVE" for seen in box.seen) == 1
    assert sum(seen.method == "PUT" and seen.server == "door" for seen in box.seen) == 1


def test_a_file_that_appears_meanwhile_stays(box: Sandbox, session: Session, local: Path) -> None:
    refuse(box, "MOVE")
    session.put([str(local / "a")], "first")
    box.faults.add("door", "PUT", f"{HOME}/up", faults.Status(412, "Precondition Failed"))
    box.files.put(f"{HOME}/up", b"theirs")
    os.utime(local / "b", (1, 1))
    summary = session.put([str(local / "b")], "up")
    assert summary.exit_code == Forbidden.exit_code
    assert box.files.read(f"{HOME}/up") == b"theirs"


def test_a_temporary_that_may_not_be_deleted_is_named(box: Sandbox, session: Session, local: Path) -> None:
    refuse(box, "MOVE", "DELETE")
    summary = session.put([str(local / "a")], "new")
    assert summary.done == 1
    assert box.files.read(f"{HOME}/new") == b"a" * 1000
    [left] = temporaries(box)
    assert [r for r in summary.remarks if left in r and "not delete" in r]


def test_a_token_that_may_only_create_puts_new_files_and_leaves_others(
    box: Sandbox, open_session: OpenSession, local: Path
) -> None:
    box.files.put(f"{HOME}/up/b", b"theirs")
    scoped = {"scope": f"openid storage.create:{HOME}", "wlcg.ver": "1.0"}
    session = open_session(token=box.token(**scoped))
    summary = session.put([f"{local}/"], f"{HOME}/up", recursive=True, jobs=1)
    assert ([o.remote.name for o in summary.failed], summary.done) == (["b"], 2)
    assert isinstance(summary.errors[0], Forbidden)
    assert box.files.read(f"{HOME}/up/b") == b"theirs"
    assert box.files.read(f"{HOME}/up/c") == b"c" * 1000
    again = session.put([str(local / "a"), str(local / "c")], f"{HOME}/up", jobs=1)
    assert (again.skipped, again.failed) == (2, [])


def test_a_token_that_may_only_create_finds_its_home(box: Sandbox, open_session: OpenSession, local: Path) -> None:
    box.files.mkdir(HOME)
    session = open_session(token=box.token(scope=f"openid storage.create:{HOME}", **{"wlcg.ver": "1.0"}))
    assert session.put([str(local / "a")], "home:").done == 1
    assert session.put([str(local / "b")], "home:new/").done == 1
    assert [name for name in box.files.tree(HOME) if not name.endswith("/")] == [f"{HOME}/a", f"{HOME}/new/b"]


def test_a_broken_upload_under_its_final_name_is_never_taken_as_complete(
    box: Sandbox, session: Session, local: Path
) -> None:
    refuse(box, "MOVE", "DELETE")
    box.faults.add("pool", "PUT", f"{HOME}/up/b", faults.Cut(after=100))
    summary = session.put([f"{local}/"], "up", recursive=True, jobs=1)
    assert (summary.done, [outcome.remote.name for outcome in summary.failed]) == (2, ["b"])
    assert box.files.exists(f"{HOME}/up/b")  # the token may not delete it


def test_a_broken_upload_under_its_final_name_is_deleted_if_allowed(
    box: Sandbox, session: Session, local: Path
) -> None:
    refuse(box, "MOVE")
    box.faults.add("pool", "PUT", f"{HOME}/up/b", faults.Full(after=100))
    summary = session.put([f"{local}/"], "up", recursive=True, jobs=1)
    assert (summary.done, [outcome.remote.name for outcome in summary.failed]) == (2, ["b"])
    assert box.files.tree(f"{HOME}/up") == [f"{HOME}/up/a", f"{HOME}/up/c"]


def test_at_a_server_that_renames_nothing_new_files_get_their_names_at_once(
    box: Sandbox, session: Session, local: Path
) -> None:
    box.files.put(f"{HOME}/up/b", b"theirs")
    box.faults.add("door", "MOVE", "*", faults.Status(501, "Not Implemented"))
    summary = session.put([f"{local}/"], "up", recursive=True, jobs=1)
    assert (summary.done, [outcome.remote.name for outcome in summary.failed]) == (2, ["b"])
    assert [remark for remark in summary.remarks if "this server cannot rename files" in remark]
    assert box.files.read(f"{HOME}/up/b") == b"theirs"
    assert temporaries(box) == []
    assert sum(seen.method == "MOVE" for seen in box.seen) == 1


@pytest.mark.parametrize("name", ["q;x", "q?x"])
def test_a_name_that_a_move_would_cut_is_written_at_once_and_not_replaced(
    wsgidav: RealServer, tmp_path: Path, name: str
) -> None:
    """The server does not name itself; `q` is another file."""
    (tmp_path / "config.toml").write_text(wsgidav.profile_toml("here"))
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(wsgidav.login()["access_token"])
    env = {**os.environ, "CTADATA_CONFIG": str(tmp_path / "config.toml")}
    folder = wsgidav.data / uuid4().hex
    folder.mkdir()
    (folder / "q").write_bytes(b"kept")
    source = tmp_path / "source"
    with Session.open(resolve_profile("here", env=env), token_file=token, env=env) as session:
        source.write_bytes(b"first")
        assert session.put([str(source)], f"/{folder.name}/{name}").done == 1
        source.write_bytes(b"second")
        (error,) = session.put([str(source)], f"/{folder.name}/{name}").errors
    assert isinstance(error, Unsupported)
    assert "delete the file on the storage" in error.hint
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert found == {"q": b"kept", name: b"first"}
