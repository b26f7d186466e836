"""Whatever a run shows, logs or writes: no token and no secret, but in the two files meant for them."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from walks.places import PATIENCE, Place, settings

from ctadata.sandbox import Sandbox, faults

JWT = re.compile(r"eyJ[\w-]{20,}\.[\w-]+\.[\w-]+")
MEANT = {"token", "login.json"}  # the access token, and the login: refresh token and client secret

NOTHING = (lambda path: {}, lambda path, files: None)  # what is stored is not looked at here


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(approve=True, confidential=True) as box:
        yield box


@pytest.fixture
def place(box: Sandbox, tmp_path: Path) -> Place:
    folder = tmp_path / "user"
    secret = folder / "client-secret"
    place = Place(
        "sandbox",
        settings(folder, box.profile_toml("sandbox")),
        "/lst/users/ada",
        lambda path: {},
        lambda path, files: None,
    )
    secret.touch(mode=0o600)
    secret.write_text(box.client_secret)
    place.env["CTADATA_CLIENT_SECRET_FILE"] = str(secret)
    return place


def running(place: Place) -> list[str]:
    """Command lines and environments of all processes that can be read."""
    texts = []
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                texts.append((process / name).read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue
    return texts


def secrets_of(box: Sandbox, place: Place) -> list[str]:
    """Every token and secret there is by now: what lies in the two files, and the client's secret."""
    found = [box.client_secret]
    for file in Path(place.env["XDG_STATE_HOME"]).rglob("*"):
        if file.is_file() and file.name in MEANT:
            text = file.read_text()
            fields = json.loads(text) if file.suffix == ".json" else {"token": text.strip()}
            found += [value for key, value in fields.items() if key in ("token", "refresh_token", "client_secret")]
    return found


def test_nothing_secret_is_said_shown_or_written(box: Sandbox, place: Place, tmp_path: Path) -> None:
    said: list[str] = []
    state = Path(place.env["XDG_STATE_HOME"])
    (tmp_path / "f").write_bytes(b"content" * 1000)
    box.files.put("/lst/denied", b"x")
    box.faults.add("door", "GET", "/lst/denied", faults.Status(403, "Forbidden"))
    box.faults.add("door", "GET", "/lst/odd", faults.Redirect("https://localhost:1/x?authz=Bearer%20" + box.token()))
    box.files.put("/lst/odd", b"x")

    said += place.run("-vv", "start-agent")
    try:
        said += place.run("-vv", "agent-status")
        said += place.run("-vv", "put", tmp_path / "f", "f")
        said += place.run("-vv", "get", "home:f", tmp_path / "g")
        said += place.run("-vv", "list", "-l", "home:")
        said += place.run("-vv", "config")
        said += place.run("-vv", "get", "lst/denied", tmp_path / "h", code=4)
        said += place.run("-vv", "get", "lst/odd", tmp_path / "h", code=5)
        box.faults.add("door", "PROPFIND", "*", faults.Stall())
        with place.start("-vv", "list", "lst") as waiting:
            box.wait_for(lambda seen: seen.method == "PROPFIND" and seen.target.startswith("/lst"), timeout=60)
            shown = running(place)
            waiting.send_signal(2)
            said += waiting.communicate(timeout=PATIENCE)
        secrets = [secret for secret in secrets_of(box, place) if secret]
    finally:
        said += place.run("-vv", "stop-agent")

    assert len(set(secrets)) >= 3
    written = [file.read_text() for file in state.rglob("*") if file.is_file() and file.name not in MEANT]
    for where, texts in (("said", said), ("shown by ps", shown), ("written", written)):
        for text in texts:
            for secret in secrets:
                assert secret not in text, f"{where}: a secret"
            assert where == "shown by ps" or not JWT.search(text), f"{where}: a token"
    assert any("PROPFIND" in text for text in said), "the debug log was not on"


def test_the_files_meant_for_secrets_are_private_whatever_the_umask(place: Place) -> None:
    command = f'umask 000; exec "{sys.executable}" -m ctadata start-agent'
    subprocess.run(["sh", "-c", command], env=place.env, check=True, capture_output=True, timeout=PATIENCE)
    place.run("stop-agent")
    state = Path(place.env["XDG_STATE_HOME"])
    modes = {p.name: p.stat().st_mode & 0o777 for p in state.rglob("*")}
    assert modes["token"] == modes["login.json"] == 0o600
    assert modes["sandbox"] == 0o700
    assert {name: mode for name, mode in modes.items() if mode & 0o022} == {}


MODES = {"https pools": {}, "http pools": {"http_pools": True}, "proxied": {"redirect": False}}


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_no_pool_ever_sees_the_token(mode: dict[str, bool], tmp_path: Path) -> None:
    with Sandbox(approve=True, **mode) as box:
        place = Place(
            "sandbox",
            settings(tmp_path / "user", box.profile_toml("sandbox")),
            "",
            lambda path: {},
            lambda path, files: None,
        )
        place.env["CTADATA_HTTP_POOLS"] = "true"
        place.log_in()
        (tmp_path / "tree").mkdir()
        for i in range(20):
            (tmp_path / "tree" / str(i)).write_bytes(b"x" * i * 1000)
        place.run("put", "-r", tmp_path / "tree", "t")
        place.run("get", "-r", "home:t", tmp_path / "back")
        place.run("stop-agent")
        at_pools = [seen for seen in box.seen if seen.server.startswith("pool")]
        assert bool(at_pools) == mode.get("redirect", True)
        for seen in at_pools:
            assert "authorization" not in {name.lower() for name, _ in seen.headers}
            assert not JWT.search(repr(seen))


def test_http_pools_are_refused_unless_the_profile_allows_them(tmp_path: Path) -> None:
    with Sandbox(approve=True, http_pools=True) as box:
        place = Place(
            "sandbox",
            settings(tmp_path / "user", box.profile_toml("sandbox")),
            "",
            lambda path: {},
            lambda path, files: None,
        )
        place.env["CTADATA_HTTP_POOLS"] = "false"
        place.log_in()
        box.files.put("/lst/f", b"x")
        _, err = place.run("get", "lst/f", tmp_path / "f", code=4)
        place.run("stop-agent")
        assert "http_pools" in err
        assert not [seen for seen in box.seen if seen.server.startswith("pool")]
