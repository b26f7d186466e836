"""davix's own tools as what moves the bytes: they see one pool's address, and never the token."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from stores.suite import StoreSuite

from ctadata.config.resolve import resolve_profile
from ctadata.errors import ConfigError, Interrupted, Unsupported
from ctadata.sandbox import Sandbox, faults
from ctadata.session import Session
from ctadata.stores.base import Store
from ctadata.transfer.plan import Rules


@pytest.fixture
def open_session(box, tmp_path):
    sessions = []

    def make(**keys):
        config, token = tmp_path / "config.toml", tmp_path / "token"
        config.write_text(box.profile_toml())
        token.touch(mode=0o600)
        token.write_text(box.token())
        env = {**os.environ, "CTADATA_CONFIG": str(config)}
        overrides = {"engine": "davix", **keys}
        sessions.append(
            Session.open(resolve_profile("sandbox", overrides=overrides, env=env), token_file=token, env=env)
        )
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def session(davix, open_session):
    return open_session()


class TestAsAStore(StoreSuite):
    """What every store does; davix-get takes no ranges, which no store has to."""

    impossible_names = frozenset({"nl\nx", "tab\there"})  # a pool repeats the name in a header

    @pytest.fixture
    def store(self, davix, session) -> Store:
        return session.store


def argvs():
    """The arguments of every process that can be seen."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                yield (entry / "cmdline").read_bytes()
            except OSError:
                continue


def test_down_and_up_again(session, box, big, tmp_path):
    summary = session.get(["lst"], str(tmp_path / "out"), recursive=True)
    assert (summary.done, summary.failed) == (3, [])
    assert (tmp_path / "out/lst/a b.dat").read_bytes() == big
    summary = session.put([str(tmp_path / "out/lst")], "/again", recursive=True)
    assert (summary.done, summary.failed) == (3, [])
    assert box.files.read("/again/lst/a b.dat") == big
    at_pools = [seen for seen in box.seen if seen.server.startswith("pool")]
    assert any("davix" in (seen.header("User-Agent") or "").lower() for seen in at_pools)
    assert all(seen.header("Authorization") is None for seen in at_pools)


def test_the_tools_never_see_the_token(session, box, big, tmp_path, monkeypatch):
    monkeypatch.setenv("BEARER_TOKEN", "in-the-environment")
    token = (tmp_path / "token").read_text().encode()
    stall = box.faults.add("pool", "GET", "/lst/a b.dat", faults.Stall(after=1000))
    from threading import Thread

    worker = Thread(daemon=True, target=session.get, args=(["lst/a b.dat"], str(tmp_path / "x")))
    worker.start()
    assert stall.reached.wait(60)
    running = [argv for argv in argvs() if b"davix-get" in argv]
    environments = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # other processes end meanwhile
            if entry.name.isdigit() and b"davix-get" in (entry / "cmdline").read_bytes():
                environments.append((entry / "environ").read_bytes())
    stall.release()
    worker.join(60)
    assert running
    assert not any(token in argv for argv in running)
    assert not any(token in environment or b"in-the-environment" in environment for environment in environments)


@pytest.mark.parametrize("fault", [faults.Flip(), faults.Cut(after=0)], ids=["flip", "cut"])
def test_what_arrives_wrong_gets_no_name(open_session, davix, box, tmp_path, fault):
    box.faults.add("pool", "GET", "/lst/a b.dat", fault)
    (tmp_path / "x").write_bytes(b"old")
    session = open_session()
    summary = session.get(["lst/a b.dat"], str(tmp_path / "x"), rules=Rules())
    assert len(summary.failed) == 1
    assert (tmp_path / "x").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


def test_a_door_that_does_not_redirect_is_refused_in_words(davix, tmp_path):
    with Sandbox(redirect=False, write_anywhere=True) as box:
        box.files.put("/lst/a", b"content")
        config, token = tmp_path / "config.toml", tmp_path / "token"
        config.write_text(box.profile_toml() + 'engine = "davix"\n')
        token.touch(mode=0o600)
        token.write_text(box.token())
        env = {**os.environ, "CTADATA_CONFIG": str(config)}
        (tmp_path / "up").write_bytes(b"x")
        with Session.open(resolve_profile("sandbox", env=env), token_file=token, env=env) as session:
            for summary in (
                session.get(["lst/a"], str(tmp_path / "x")),
                session.put([str(tmp_path / "up")], "/lst/up"),
            ):
                (outcome,) = summary.failed
                assert isinstance(outcome.error, Unsupported)
                assert "would need the token" in str(outcome.error)
        assert not box.files.exists("/lst/up")


def test_without_davix_the_profile_is_wrong(open_session, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match="davix-get is not installed"):
        open_session()


def test_a_pool_that_refuses_is_a_failure_in_davixs_words(session, box, tmp_path):
    box.faults.add("pool", "GET", "/lst/a b.dat", faults.Status(500, "Pool is down"))
    (outcome,) = session.get(["lst/a b.dat"], str(tmp_path / "x")).failed
    assert isinstance(outcome.error, Interrupted)
    assert "davix-get has failed" in str(outcome.error)
    assert "dcache-http-uuid" not in str(outcome.error).replace("dcache-http-uuid=***", "")


def test_an_address_that_holds_the_login_is_not_shown_to_davix(session, box, tmp_path):
    """As an XRootD manager names one."""
    where = f"{box.pools[0]}/lst/a%20b.dat?authz=Bearer%20{(tmp_path / 'token').read_text()}"
    rule = box.faults.add("door", "GET", "/lst/a b.dat", faults.Redirect(where))
    (outcome,) = session.get(["lst/a b.dat"], str(tmp_path / "x")).failed
    rule.remove()
    assert isinstance(outcome.error, Unsupported)
    assert "holds a login" in str(outcome.error)
    assert (tmp_path / "token").read_text() not in str(outcome.error)
    assert not any(seen.server.startswith("pool") for seen in box.seen)
