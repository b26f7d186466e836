"""The files that earlier versions left at home: read, reported, never changed."""

from __future__ import annotations

import base64
import time

import pytest

from ctadata.config.profile import Profile
from ctadata.tokens.legacy import find_legacy_login

NOW = time.time()
ISSUER = "https://issuer.example/realms/a"


@pytest.fixture
def home(tmp_path):
    (tmp_path / ".config" / "cta-data").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def find(home):
    return lambda name="cscs": find_legacy_login(Profile(name=name, door="https://d", issuer=ISSUER), NOW, home)


@pytest.fixture
def put(home):
    def write(name, content, mode=0o600):
        path = home / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    return write


def in_base64(text):
    return base64.b64encode(text.encode())


def test_nothing(find):
    assert find() == find("cscs-dev") == find("mine")
    assert find().files == ()


def test_files_of_0_6_are_read(find, put):
    secret = put(".secret", "s3cret-value\n", 0o644)
    found = find()
    assert found.secret.reveal() == "s3cret-value"
    assert found.files == (secret,)
    assert str(found) == (
        f"imported the client's secret of an earlier version from {secret}; others can read {secret}; "
        f"to remove: rm {secret}"
    )


def test_files_of_0_7_come_before_those_of_0_6(find, put, jwt):
    put(".secret", "older-value")
    token = jwt(iss=ISSUER, exp=NOW + 600)
    new, kept = put(".config/cta-data/secret", in_base64("newer-value")), put(".config/cta-data/token", token)
    found = find()
    assert (found.secret.reveal(), found.token.reveal(), found.files) == ("newer-value", token, (new, kept))
    assert "imported the client's secret and the token of" in str(found)
    assert "newer-value" not in f"{found} {found!r}"


@pytest.mark.parametrize("encode", [str.encode, in_base64])
def test_a_token_plain_or_in_base64(find, put, jwt, encode):
    token = jwt(iss=ISSUER + "/", exp=NOW + 600)
    put(".config/cta-data/token", encode(token))
    assert find().token.reveal() == token


def test_empty_files_are_ignored(find, put):
    """0.6.0 emptied the secret it was given."""
    put(".config/cta-data/secret", " \n")
    secret = put(".secret", "older-value")
    assert find().files == (secret,)
    secret.write_text("")
    assert find().secret is None


def test_the_development_site_has_its_own_files(find, put):
    put(".secret", "production")
    put(".config/cta-data/secret", in_base64("production"))
    assert find("cscs-dev").secret is None
    put(".config/cta-data/secret-dev", in_base64("development"))
    assert find("cscs-dev").secret.reveal() == "development"
    assert find("mine").secret is None


@pytest.mark.parametrize("claims", [{"exp": 1}, {"iss": "https://other.example"}, {"exp": None}])
def test_an_unusable_token_is_ignored(find, put, jwt, claims):
    put(".cta_token", jwt(**{"iss": ISSUER, "exp": NOW + 600, **claims}))
    assert find() == find("mine")


@pytest.mark.parametrize("content", ["two words", "two\nlines", "ü", b"\xff\xfe\x00", "x" * 20_000, "abc"])
def test_a_file_of_another_program_is_ignored(find, put, content):
    put(".secret", content)
    assert find().secret is None


def test_a_file_that_others_can_write_is_ignored_with_a_warning(find, put, caplog):
    put(".secret", "value", 0o666)
    assert find().secret is None
    assert "others can write" in caplog.text


def test_nothing_is_changed(find, put, home):
    put(".secret", "value", 0o644)
    before = [(p, p.stat().st_mode, p.stat().st_mtime_ns) for p in sorted(home.rglob("*"))]
    find()
    assert [(p, p.stat().st_mode, p.stat().st_mtime_ns) for p in sorted(home.rglob("*"))] == before
