"""The commands at a server with incomplete listings: they show the known entries and report the missing ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stores.odd_server import Answer, Asked, OddServer

from ctadata.cli.main import run

DIRECTORY = "<D:resourcetype><D:collection/></D:resourcetype>"
FILE = "<D:getcontentlength>1</D:getcontentlength>"


def response(href: str, props: str = FILE, status: str = "200 OK") -> str:
    found = f"<D:propstat><D:prop>{props}</D:prop><D:status>HTTP/1.1 {status}</D:status></D:propstat>"
    return f"<D:response><D:href>{href}</D:href>{found}</D:response>"


MISSING = {
    "elsewhere": (response("/elsewhere/x"), "/elsewhere/x", 5),
    "up": (response("/d/sub/%2e%2e/x"), "/d/sub/%2e%2e/x", 5),
    "forbidden": (response("/d/sub/x", "", "403 Forbidden"), "/d/sub/x", 4),
}


class Server(OddServer):
    """Serves the directories `/d` (`a`, `sub/`) and `/d/sub` (`b`, and entries that cannot be listed)."""

    missing = ""

    def next_answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        path = asked.target.rstrip("/") or "/"
        below = {
            "/": response("/d/", DIRECTORY),
            "/d": response("/d/a") + response("/d/sub/", DIRECTORY),
            "/d/sub": response("/d/sub/b") + self.missing,
            "/d/a": None,
            "/d/sub/b": None,
        }
        if asked.method in ("GET", "HEAD"):
            return Answer(200, {}, b"1")
        if asked.method == "DELETE":
            return Answer(204)
        if asked.method != "PROPFIND" or path not in below:
            return Answer(404)
        inside = below[path]
        itself = response(path, FILE if inside is None else DIRECTORY)
        body = itself + (inside or "" if asked.headers["Depth"] == "1" else "")
        return Answer(207, {}, f'<D:multistatus xmlns:D="DAV:">{body}</D:multistatus>'.encode())

    @property
    def deleted(self) -> list[str]:
        return [asked.target for asked in self.asked if asked.method == "DELETE"]


@pytest.fixture(params=MISSING)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server() as server:
        server.missing, server.named, server.code = MISSING[request.param]
        yield server


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    settings = tmp_path / "settings.toml"
    settings.write_text(f'default = "t"\n[profiles.t]\nkind = "webdav"\ndoor = "{server.url}"\nhome = ["/"]\n')
    monkeypatch.setenv("CTADATA_CONFIG", str(settings))
    monkeypatch.setenv("BEARER_TOKEN", "tok0123456789abcdef")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def ask(*arguments: str) -> tuple[int, str, str]:
        return run(arguments), *capsys.readouterr()

    return ask


@pytest.mark.parametrize("options", [[], ["--json"], ["-0"], ["--unsorted"], ["-l"]])
def test_list_prints_the_received_entries_and_the_error(server: Server, command: Command, options: list[str]) -> None:
    code, out, err = command("list", *options, "/d/sub")
    assert (code, "d/sub/b" in out) == (server.code, True)
    assert server.named in err
    code, out, err = command("list", "-r", *options, "/d")
    assert (code, "d/a" in out, "d/sub/b" in out) == (server.code, True, True)
    assert server.named in err


@pytest.mark.parametrize("arguments", [["find", "/d"], ["du", "/d"], ["tree", "/d"], ["get", "-r", "/d", "o"]])
def test_a_walk_continues_and_exits_with_6(server: Server, command: Command, arguments: list[str]) -> None:
    code, out, err = command(*arguments)
    assert code == 6, err
    assert server.named in err
    if arguments[0] == "get":
        assert {path.name for path in Path("o").rglob("*") if path.is_file()} == {"a", "b"}
    else:
        assert "d/" in out


def test_a_pattern_yields_its_matches_and_the_error(server: Server, command: Command) -> None:
    code, out, err = command("find", "/d/sub/*")
    assert (code, out.strip(), server.named in err) == (6, "d/sub/b", True)
    code, _, err = command("get", "/d/sub/*", "o/")
    assert (code, Path("o/b").read_bytes(), server.named in err) == (6, b"1", True)
    code, _, err = command("find", "/d/sub/*.none")
    assert (code, server.named in err) == (server.code, True)


def test_an_incomplete_listing_deletes_nothing(server: Server, command: Command) -> None:
    Path("o/sub").mkdir(parents=True)
    for name in ("o/mine", "o/sub/mine"):
        Path(name).write_text("kept")
    assert command("rmdir", "/d/sub")[0] == 2  # it holds `b` at least
    for arguments in (["rm", "-r", "-n", "/d/sub"], ["sync", "--delete", "--yes", ":/d", "o"]):
        code, out, err = command(*arguments)
        assert code in (6, server.code)
        assert server.named in out + err
    assert {name.name for name in Path("o").rglob("mine")} == {"mine"}
    assert Path("o/sub/mine").exists()
    Path("up").mkdir()
    code, _, err = command("sync", "--delete", "--yes", "up", ":/d")
    assert (code, server.named in err) == (server.code, True)
    assert server.deleted == []


def test_rm_with_yes_sends_one_request_and_no_listing(server: Server, command: Command) -> None:
    assert command("rm", "-r", "--yes", "/d/sub")[0] == 0
    assert server.deleted == ["/d/sub/"]
    assert "1" not in [asked.headers["Depth"] for asked in server.asked if asked.method == "PROPFIND"]
