"""The library webdav4 at the storage itself, with our token and our redirect rules; and the client of 0.6 and 0.7."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from webdav4.client import Client

from ctadata import direct
from ctadata.direct.api import APIClient, ClientSecretNotFound
from ctadata.errors import LoginNeeded, NotFound, Unsupported, Untrusted, UsageError
from ctadata.sandbox import Sandbox


def settle(box: Sandbox, folder: Path, env: pytest.MonkeyPatch, profile: str = "sandbox") -> None:
    """Put the sandbox into the environment, with a token in a file; the working directory is empty."""
    (folder / "config.toml").write_text(box.profile_toml(profile))
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(box.token())
    env.setenv("CTADATA_CONFIG", str(folder / "config.toml"))
    env.setenv("CTADATA_PROFILE", "sandbox" if profile == "sandbox" else "")
    env.setenv("BEARER_TOKEN_FILE", str(token))
    (folder / "here").mkdir()
    env.chdir(folder / "here")
    box.files.put("/lst/d/a b.txt", b"spaced")


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox() as box:
        settle(box, tmp_path, monkeypatch)
        yield box


@contextmanager
def opened() -> Iterator[Client]:
    """The client that users get, closed at the end."""
    client = direct.webdav4_client()
    with client.http:
        yield client


@pytest.fixture
def client(box: Sandbox) -> Iterator[Client]:
    with opened() as client:
        yield client


def test_redirected_transfers_carry_no_token(box: Sandbox, client: Client) -> None:
    assert client.ls("lst/d", detail=False) == ["lst/d/a b.txt"]
    client.download_file("lst/d/a b.txt", "here.txt")
    assert Path("here.txt").read_bytes() == b"spaced"
    client.uploadFile("here.txt", "lst/users/ada/up.txt")
    assert box.files.read("/lst/users/ada/up.txt") == b"spaced"
    at_pools = [seen for seen in box.seen if seen.server.startswith("pool")]
    assert at_pools
    assert not [seen for seen in at_pools if seen.header("Authorization")]


@pytest.mark.parametrize("name", ["a#b", "k?v", "x%20y", "50%", "%2e%2e", "u+v", "p(q", "é", "日本", "a;b=c&d", "~x"])
def test_a_name_is_never_read_as_part_of_a_url(box: Sandbox, client: Client, name: str) -> None:
    box.files.put(f"/lst/odd/{name}", name.encode())
    assert client.ls("lst/odd", detail=False) == [f"lst/odd/{name}"]
    assert client.content_length(f"lst/odd/{name}") == len(name.encode())
    client.download_file(f"/lst/odd/{name}", "here.txt")
    assert Path("here.txt").read_text() == name
    client.uploadFile("here.txt", f"lst/users/ada/{name}")
    client.move(f"lst/users/ada/{name}", f"lst/users/ada/new {name}")
    assert box.files.read(f"/lst/users/ada/new {name}") == name.encode()


def test_the_token_is_read_before_each_request(box: Sandbox, client: Client, tmp_path: Path) -> None:
    client.ls("lst/d")
    (tmp_path / "token").write_text("nonsense")
    with pytest.raises(LoginNeeded):
        client.ls("lst/d")
    (tmp_path / "token").write_text(box.token())
    assert client.ls("lst/d", detail=False)


def test_dots_are_never_sent(box: Sandbox, client: Client) -> None:
    before = len(box.seen)
    with pytest.raises(UsageError, match=r"\.\."):
        client.remove("lst/users/../d/x")
    assert len(box.seen) == before


def test_the_token_goes_to_no_other_server(box: Sandbox, client: Client) -> None:
    client.http.get(f"{box.issuer}/.well-known/openid-configuration")
    assert box.seen[-1].header("Authorization") is None


def test_a_door_with_an_unsigned_certificate_is_refused(box: Sandbox, tmp_path: Path) -> None:
    lines = [line for line in box.profile_toml("sandbox").splitlines() if not line.startswith("ca ")]
    (tmp_path / "config.toml").write_text("\n".join(lines))
    with opened() as client, pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        client.ls("lst")


def test_no_redirect_from_https_to_http_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(http_pools=True) as box:
        settle(box, tmp_path, monkeypatch)
        with opened() as client, pytest.raises(Untrusted, match="from https to unprotected http"):
            client.download_file("lst/d/a b.txt", "here.txt")


def test_a_token_that_is_assigned_is_sent(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BEARER_TOKEN_FILE")
    client = APIClient()
    with pytest.raises(LoginNeeded):
        client.list_dir("lst/d")
    client.token = box.token()
    assert client.list_dir("lst/d") == ["lst/d/a b.txt"]
    assert client.token == client._token
    with pytest.raises(ClientSecretNotFound):
        _ = client.secret
    client.secret = "s"
    assert client.secret == "s"


def test_dev_instance_selects_the_development_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox() as box:
        settle(box, tmp_path, monkeypatch, "cscs-dev")
        client = APIClient(dev_instance=True)
        client.token = box.token()
        assert client.list_dir("lst/d") == ["lst/d/a b.txt"]
        with pytest.raises(LoginNeeded):  # a token from elsewhere does not count if the site is named
            direct.list_dir("lst/d", dev_instance=True)
        assert direct.agent_status(dev_instance=True).profile == "cscs-dev"
        with pytest.raises(NotFound):
            client.fetch_and_save_file("lst/nothing")


@pytest.mark.parametrize(
    "name", ["e\u0301.txt", "\u212b", "\u1112\u1161\u11ab", "two\nlines", "tab\there", "o\u0308/a"]
)
def test_a_name_that_cannot_be_read_back_is_refused_before_anything_is_lost(
    box: Sandbox, client: Client, name: str
) -> None:
    """The door deletes the old file before the new one arrives, and then the pool refuses such a name."""
    box.files.put(f"/lst/users/ada/{name}", b"old")
    box.files.put("/lst/users/ada/plain", b"plain")
    Path("new.txt").write_bytes(b"new")
    before = len([seen for seen in box.seen if seen.method != "HEAD"])
    for make in (
        lambda: client.upload_file("new.txt", f"lst/users/ada/{name}", overwrite=True),
        lambda: client.move("lst/users/ada/plain", f"lst/users/ada/{name}", overwrite=True),
    ):
        with pytest.raises(Unsupported, match=r"holds U\+"):
            make()
    assert len([seen for seen in box.seen if seen.method != "HEAD"]) == before
    assert box.files.read(f"/lst/users/ada/{name}") == b"old"
    assert box.files.read("/lst/users/ada/plain") == b"plain"


@pytest.mark.parametrize("name", ["e\u0301.txt", "\u212b", "\u1112\u1161\u11ab", "o\u0308/a"])
def test_a_file_whose_name_nfc_changes_can_be_downloaded(box: Sandbox, client: Client, name: str) -> None:
    box.files.put(f"/lst/odd/{name}", b"content")
    client.download_file(f"lst/odd/{name}", "here.txt")
    assert Path("here.txt").read_bytes() == b"content"
