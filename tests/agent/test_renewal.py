"""Renewal: one refresh for all callers, the new login on disk first, and nothing lost on a full disk."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Event

import pytest

from ctadata.agent import lease
from ctadata.agent.login import obtain_token
from ctadata.agent.renewal import Renewal, secret_for_command
from ctadata.errors import (
    ConfigError,
    CtadataError,
    LocalError,
    LoginNeeded,
    Stopped,
    StorageFull,
    TemporaryError,
    Unreachable,
)
from ctadata.http.rest import JsonClient
from ctadata.sandbox import Sandbox, faults
from ctadata.sandbox.issuer import CONNECT
from ctadata.tokens.files import write_private
from ctadata.tokens.locks import hold_lock
from ctadata.tokens.login_store import ROOM, Login, load_login, load_token, save_login
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Secret, Token

TOKEN = f"{CONNECT}/token"


@pytest.fixture
def box():
    with Sandbox(approve=True, interval=0) as box:
        yield box


@pytest.fixture
def token(profile, files, shown):
    """A login has taken place."""
    return obtain_token(profile, files, is_good=lambda token: False, show=shown.append)


@pytest.fixture
def renewal(profile, files, rest, token):
    return Renewal(profile, files, rest)


def refreshes(box):
    return [seen for seen in box.seen if seen.target == TOKEN and seen.method == "POST"][1:]  # the first was the login


def test_the_new_token_and_login_are_stored(renewal, profile, files, token):
    before = load_login(files, profile)
    renewed = renewal.renew(token)
    assert renewed.reveal() != token.reveal()
    assert load_token(files, profile) == renewed
    assert load_login(files, profile).refresh_token != before.refresh_token
    assert renewal.renew(renewed).reveal() != renewed.reveal()  # the rotated token works


def test_a_token_that_another_process_just_stored_is_used(renewal, box, token):
    renewed = renewal.renew(token)
    assert renewal.renew(token) == renewed
    assert len(refreshes(box)) == 1


RENEW = """
import sys
from pathlib import Path
from ctadata.agent.renewal import Renewal
from ctadata.config.profile import Profile
from ctadata.http.rest import JsonClient
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Token
folder, door, issuer, client_id, ca = sys.argv[1:]
known = Token.parse(sys.stdin.read())
profile = Profile(name="sandbox", door=door, issuer=issuer, client_id=client_id, ca=Path(ca))
print(Renewal(profile, ProfileFiles(Path(folder)), JsonClient(ca=Path(ca))).renew(known).reveal())
"""


def test_eight_processes_at_once_make_one_refresh(box, profile, files, token):
    argv = [sys.executable, "-c", RENEW, files.folder, profile.door, profile.issuer, profile.client_id, profile.ca]
    askers = [subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    with hold_lock(files.login_lock):  # all have begun before the first may ask
        for asker in askers:
            asker.stdin.write(token.reveal())
            asker.stdin.close()
    answers = set()
    for asker in askers:
        with asker:
            answers.add(asker.stdout.read().strip())
    assert len(answers) == 1
    assert answers == {load_token(files, profile).reveal()}
    assert len(refreshes(box)) == 1


def test_a_wait_for_the_lock_can_be_stopped(renewal, files, token):
    stop = Event()
    stop.set()
    with hold_lock(files.login_lock), pytest.raises(Stopped):
        renewal.renew(token, stop)


def test_the_login_is_stored_before_the_token(renewal, profile, files, box, token):
    """The disk has no room for the token: the rotated refresh token is safe, and the token is published later."""
    before = load_login(files, profile)
    files.token.unlink()
    files.token.mkdir()
    with pytest.raises(LocalError):
        renewal.refresh(lambda profile, login: (None, False))
    kept = load_login(files, profile)
    assert kept.refresh_token != before.refresh_token
    files.token.rmdir()
    write_private(files.token, token.reveal())
    renewed = renewal.renew(token)
    assert load_token(files, profile) == renewed
    assert len(refreshes(box)) == 1


@pytest.fixture
def full_disk():
    """`with full_disk():` lets no file be written."""

    @contextlib.contextmanager
    def full():
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    return full


@pytest.mark.parametrize("agent", [True, False])
def test_on_a_full_disk_the_issuer_is_not_asked(renewal, profile, files, box, token, full_disk, agent):
    """A rotated refresh token could not be stored."""
    if agent:
        lease.acquire_lease(files, time.time())
    before = load_login(files, profile)
    with full_disk():
        for _ in range(2):
            with pytest.raises(LocalError):
                renewal.renew(token)
    assert refreshes(box) == []
    assert load_login(files, profile) == before
    assert load_token(files, profile) == token
    assert renewal.renew(token) == load_token(files, profile) != token


def test_disk_space_for_the_login_is_reserved_before_the_request(renewal, profile, files, box, token, monkeypatch):
    """The disk is full when the login comes: it goes into the reserved space, and the token waits for room."""
    before, ask = load_login(files, profile), Renewal._refresh_at_issuer

    def granted(self, refresh_token, secret):
        (kept,) = [
            file
            for file in Path("/proc/self/fd").iterdir()
            if os.path.realpath(file).startswith(f"{files.folder}/#")  # a file without a name
        ]
        assert kept.stat().st_blocks * 512 >= ROOM
        grant = ask(self, refresh_token, secret)
        monkeypatch.setattr(tempfile, "mkstemp", refuse)
        monkeypatch.setattr(os, "open", open_unless_new)
        return grant

    opened = os.open

    def refuse(**options):
        raise OSError(errno.ENOSPC, "No space left on device")

    def open_unless_new(path, flags, *more, **options):
        return refuse() if flags & os.O_TMPFILE == os.O_TMPFILE else opened(path, flags, *more, **options)

    monkeypatch.setattr(Renewal, "_refresh_at_issuer", granted)
    with monkeypatch.context() as patch, pytest.raises(StorageFull):
        patch.setattr(tempfile, "mkstemp", tempfile.mkstemp)  # put back at the end
        patch.setattr(os, "open", opened)
        renewal.renew(token)
    assert load_login(files, profile).refresh_token != before.refresh_token
    assert load_token(files, profile) == token
    renewed = renewal.renew(token)
    assert len(refreshes(box)) == 1  # the grant in memory, without a second request
    assert load_token(files, profile) == renewed != token


def test_an_expired_token_is_not_published(renewal, profile, files, box, token):
    """The refresh token is stored all the same: it may be the only valid one."""
    body = b'{"access_token": "over", "expires_in": 0, "refresh_token": "r"}'
    box.faults.add("issuer", "POST", TOKEN, faults.Status(200, "OK", body))
    with pytest.raises(TemporaryError, match="already expired"):
        renewal.renew(token)
    assert load_token(files, profile) == token
    assert load_login(files, profile).refresh_token == Secret("r")


def test_an_issuer_that_does_not_rotate(profile_at, shown):
    with Sandbox(approve=True, interval=0, rotate=False) as box:
        profile = profile_at(box)
        files = ProfileFiles.of(profile.name)
        token = obtain_token(profile, files, is_good=lambda token: False, show=shown.append)
        renewal = Renewal(profile, files, JsonClient(ca=box.ca))
        for _ in range(3):
            token = renewal.renew(token)


def test_the_login_is_over(renewal, profile, files, box, token):
    box.revoke_sessions()
    before = load_login(files, profile)
    with pytest.raises(LoginNeeded, match=r"Token is not active.*start-agent -P sandbox; another login of yours"):
        renewal.renew(token)
    assert load_login(files, profile) == before  # nothing is deleted
    assert load_token(files, profile) == token


def test_a_moved_endpoint_is_found_again(renewal, box, token):
    moved = dataclasses.replace(renewal.issuer(None), token_endpoint=f"{box.frontend}/old")
    renewal._issuer = moved
    with pytest.raises(CtadataError):
        renewal.renew(token)
    assert renewal.renew(token) != token


def test_there_is_no_login(profile, files, rest):
    with pytest.raises(LoginNeeded, match="start-agent"):
        Renewal(profile, files, rest).renew(Token.parse("t"))


def test_a_login_that_cannot_be_renewed(renewal, profile, files, token):
    save_login(files, Login(profile.issuer, profile.client_id, None))
    with pytest.raises(LoginNeeded):
        renewal.renew(token)


def test_an_answer_that_was_lost_ends_a_rotating_login(renewal, box, token):
    """No client can prevent this: the issuer has rotated, and takes the second request for a thief's."""
    box.faults.add("issuer", "POST", TOKEN, faults.LostAnswer(), times=1)
    with pytest.raises(Unreachable):
        renewal.renew(token)
    with pytest.raises(LoginNeeded, match="reuse"):
        renewal.renew(token)


class TestTheClientsSecret:
    @pytest.fixture
    def kept(self, profile):
        return Login(profile.issuer, profile.client_id, Secret("r"), Secret("kept"))

    @pytest.fixture
    def with_file(self, box, profile_at, tmp_path):
        write_private(tmp_path / "secret", "in file\n")
        return profile_at(box, client_secret_file=tmp_path / "secret")

    def test_sources_are_used_in_their_order(self, profile, with_file, kept, monkeypatch):
        assert secret_for_command(profile, None, None) == (None, False)
        assert secret_for_command(profile, kept, None) == (Secret("kept"), True)
        assert secret_for_command(with_file, kept, None) == (Secret("in file"), False)
        monkeypatch.setenv("CTADATA_CLIENT_SECRET", "in environment")
        assert secret_for_command(with_file, kept, None) == (Secret("in environment"), True)
        assert secret_for_command(with_file, kept, "given") == (Secret("given"), True)

    def test_its_file_is_missing_or_empty(self, with_file):
        write_private(with_file.client_secret_file, " \n")
        with pytest.raises(ConfigError, match="empty"):
            secret_for_command(with_file, None, None)
        with_file.client_secret_file.unlink()
        with pytest.raises(LocalError, match="client_secret_file"):
            secret_for_command(with_file, None, None)

    def test_a_file_that_others_can_write_is_refused(self, with_file):
        with_file.client_secret_file.chmod(0o666)
        with pytest.raises(LocalError, match="others can write"):
            secret_for_command(with_file, None, None)
