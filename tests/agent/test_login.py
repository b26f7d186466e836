"""Login: the shortest way to a good token, one login for all callers, and the QR code."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from ctadata.agent.login import obtain_token
from ctadata.errors import CtadataError, LocalError, LoginNeeded, Stopped
from ctadata.sandbox import Sandbox, faults
from ctadata.sandbox.issuer import CONNECT
from ctadata.tokens.login_store import load_login, load_token
from ctadata.tokens.token import Secret

TOKEN = f"{CONNECT}/token"


@pytest.fixture
def box():
    with Sandbox(approve=True, interval=0) as box:
        yield box


def yes(token):
    return True


def no(token):
    return False


def test_a_first_login(profile, files, box, shown):
    token = obtain_token(profile, files, is_good=yes, show=shown.append)
    (login,) = shown
    assert login.verification_uri.startswith(box.issuer)
    assert load_token(files, profile) == token
    assert load_login(files, profile).refresh_token is not None


def test_a_good_stored_token_needs_no_request(profile, files, box, shown):
    first = obtain_token(profile, files, is_good=yes, show=shown.append)
    before = len(box.seen)
    assert obtain_token(profile, files, is_good=yes) == first
    assert len(box.seen) == before


def test_a_token_that_is_not_good_is_refreshed_without_the_user(profile, files, shown):
    first = obtain_token(profile, files, is_good=yes, show=shown.append)
    second = obtain_token(profile, files, is_good=no, show=shown.append)
    assert first.reveal() != second.reveal()
    assert len(shown) == 1


def test_a_login_that_is_over_needs_the_user(profile, files, box, shown):
    obtain_token(profile, files, is_good=yes, show=shown.append)
    box.revoke_sessions()
    with pytest.raises(LoginNeeded):
        obtain_token(profile, files, is_good=no)
    assert obtain_token(profile, files, is_good=no, show=shown.append)
    assert len(shown) == 2


def test_many_at_once_make_one_login(profile, files, shown):
    with ThreadPoolExecutor(6) as pool:
        tokens = pool.map(lambda _: obtain_token(profile, files, is_good=yes, show=shown.append), range(6))
    assert len({token.reveal() for token in tokens}) == 1
    assert len(shown) == 1


def test_a_failing_issuer_leaves_a_valid_token_in_use(profile, files, box, shown):
    first = obtain_token(profile, files, is_good=yes, show=shown.append)
    box.faults.add("issuer", "POST", TOKEN, faults.Status(503, "Busy"))
    assert obtain_token(profile, files, is_good=no, show=shown.append) == first
    with pytest.raises(CtadataError, match="503"):
        obtain_token(profile, files, is_good=no, show=shown.append, now=lambda: first.expires_at + 1)
    assert len(shown) == 1


def test_nothing_is_left_of_a_login_that_was_stopped(profile_at, files, shown):
    with Sandbox(interval=0) as box:
        stop, profile = Event(), profile_at(box)
        threading.Timer(0.2, stop.set).start()
        with pytest.raises(Stopped):
            obtain_token(profile, files, is_good=yes, show=shown.append, stop=stop)
    assert load_login(files, profile) is None
    assert load_token(files, profile) is None


class TestConfidential:
    @pytest.fixture
    def box(self):
        with Sandbox(approve=True, interval=0, confidential=True) as box:
            yield box

    def test_an_entered_secret_is_stored_with_the_login(self, profile, files, box, shown):
        obtain_token(profile, files, is_good=yes, secret=box.client_secret, show=shown.append)
        assert load_login(files, profile).client_secret == Secret(box.client_secret)
        assert obtain_token(profile, files, is_good=no)  # the refresh needs the secret, and nobody enters it

    def test_a_secret_in_the_users_own_file_stays_there(self, profile_at, files, box, shown, tmp_path):
        (tmp_path / "secret").write_text(box.client_secret + "\n")
        profile = profile_at(box, client_secret_file=tmp_path / "secret")
        obtain_token(profile, files, is_good=yes, show=shown.append)
        assert load_login(files, profile).client_secret is None
        assert box.client_secret not in "".join(path.read_text() for path in files.folder.iterdir())
        assert obtain_token(profile, files, is_good=no)

    def test_a_secret_in_the_environment(self, profile, files, box, shown, monkeypatch):
        monkeypatch.setenv("CTADATA_CLIENT_SECRET", box.client_secret)
        obtain_token(profile, files, is_good=yes, show=shown.append)
        monkeypatch.delenv("CTADATA_CLIENT_SECRET")
        assert obtain_token(profile, files, is_good=no)


def test_an_unsafe_directory_is_refused_before_any_request(profile, files, box, shown):
    files.folder.chmod(0o755)
    with pytest.raises(LocalError, match="chmod 700"):
        obtain_token(profile, files, is_good=yes, show=shown.append)
    assert box.seen == []
