"""A change counts as done if the server says so, and if it is seen where there is a look: at a plain WebDAV server."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.plain_dav import plain_dav

from ctadata.retry import Retries
from ctadata.transfer import record_cache

LOCKED = b"""<D:multistatus xmlns:D="DAV:"><D:response><D:href>/run/a.dat</D:href>
<D:status>HTTP/1.1 423 Locked</D:status></D:response></D:multistatus>"""
NOT_DONE = {"202": (202, b""), "200": (200, b"<html>a page of a proxy</html>"), "207": (207, b""), "423": (207, LOCKED)}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause before another look or try."""
    monkeypatch.setattr("ctadata.stores.late_answers.WAITS", (0.0,) * 4)
    monkeypatch.setattr("ctadata.stores.webdav.deletion._PAUSES", (0.0,) * 4)
    monkeypatch.setattr(Retries, "pause", lambda self, attempt, *_: 0.0 if attempt < self.attempts else None)


@pytest.fixture(params=NOT_DONE)
def idle(request, dav) -> None:
    dav.idle = dict.fromkeys(("MOVE", "DELETE", "MKCOL"), NOT_DONE[request.param])


@pytest.fixture
def two_places(code_at_dav):
    """`two_places(server)` adds a profile `s` for another server to the settings."""

    def add(server):
        settings = Path(os.environ["CTADATA_CONFIG"])
        profile = f'[profiles.s]\nkind = "webdav"\ndoor = "{server.url}"\nhome = ["/"]\n'
        settings.write_text(settings.read_text() + profile)

    return add


COMMANDS = {
    "put": ("put", "-q", "b.dat", "/run/b.dat"),
    "put over a file": ("put", "-q", "b.dat", "/run/a.dat"),
    "put -r": ("put", "-q", "-r", "tree", "/run"),
    "sync": ("sync", "-q", "tree", ":/run"),
    "mv": ("mv", "/run/a.dat", "/run/c.dat"),
    "mv of a directory": ("mv", "/run", "/walk"),
    "rm": ("rm", "/run/a.dat"),
    "rm -r": ("rm", "-r", "--yes", "/run"),
    "rmdir": ("rmdir", "/empty"),
    "mkdir": ("mkdir", "/new"),
}


@pytest.fixture
def unchanged(dav, code_at_dav) -> Iterator[None]:
    """What `COMMANDS` need; and at the end of the test the server has no other names than before."""
    dav.nodes["/empty"] = None
    Path("tree").mkdir()
    for name in ("b.dat", "tree/b.dat"):
        Path(name).write_bytes(b"content")
    before = dict(dav.nodes)
    yield
    assert {path: file for path, file in dav.nodes.items() if ".ctadata-" not in path} == before


@pytest.mark.usefixtures("idle", "unchanged")
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_what_is_only_accepted_is_not_done(code_at_dav, command):
    assert code_at_dav(*command) in (5, 6)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_what_another_server_confirms_is_not_done(dav, code_at_dav, command):
    """A redirect leads to an origin that the profile does not name, and that one says 204 to everything."""
    with plain_dav() as other:
        other.idle = dict.fromkeys(("MOVE", "DELETE", "MKCOL"), (204, b""))
        dav.idle = dict.fromkeys(other.idle, (307, f"{other.url}/portal".encode()))
        assert code_at_dav(*command) in (5, 6)
        assert other.seen


def test_a_deletion_that_finds_nothing_is_not_done_while_the_name_is_there(dav, code_at_dav):
    dav.idle["DELETE"] = 404, b""
    Path("tree").mkdir()
    Path("tree/b.dat").write_bytes(b"content")
    assert code_at_dav("sync", "--delete", "--yes", "tree", ":/run") == 6
    assert code_at_dav("rm", "/run/a.dat") == 3
    assert "/run/a.dat" in dav.nodes


@pytest.mark.parametrize("count", [1, 3])
def test_a_copy_that_another_client_replaces_at_once_is_not_taken_for_the_source(dav, code_at_dav, two_places, count):
    with plain_dav() as source:
        source.nodes["/d"] = None
        for index in range(count):
            source.put(f"/d/f{index}", b"ours")
        two_places(source)
        replaced = []

        def replace(method, path):
            if method == "MOVE" and "/run/f0" in dav.nodes and not replaced:
                replaced.append(path)
                dav.put("/run/f0", b"HIS!")

        dav.after = replace
        for content in (b"HIS!", b"ours"):
            assert code_at_dav("copy", "-r", "--through", "s:/d/", "x:/run") == 0
            assert dav.read("/run/f0") == content


def lose(dav, target):
    del dav.nodes[target]


def cut(dav, target):
    dav.put(target, b"co")


@pytest.mark.parametrize("fault", [lose, cut])
def test_a_moved_file_that_is_not_there_is_not_done(dav, code_at_dav, fault):
    dav.after = lambda method, path: fault(dav, "/run/b.dat") if method == "MOVE" else None
    Path("b.dat").write_bytes(b"content")
    assert code_at_dav("put", "b.dat", "/run/b.dat") == 7
    dav.after = lambda method, path: None
    assert code_at_dav("put", "b.dat", "/run/b.dat") == 0
    assert dav.read("/run/b.dat") == b"content"


def test_a_move_that_is_confirmed_and_not_made_is_not_done(dav, code_at_dav):
    dav.idle["MOVE"] = 201, b""
    Path("b.dat").write_bytes(b"content")
    assert code_at_dav("put", "b.dat", "/run/b.dat") == 7
    assert list(dav.nodes) == ["/", "/run", "/run/a.dat"]


@pytest.mark.parametrize("later", [0, 5])
@pytest.mark.parametrize("count", [1, 3])
def test_a_file_that_another_client_replaces_at_once_is_not_taken_for_ours(dav, code_at_dav, count, later):
    """It has the same size; its record would say "equal" for ever."""
    Path("tree").mkdir()
    for index in range(count):
        Path(f"tree/f{index}").write_bytes(b"ours")
    replaced = []

    def replace(method, path):
        if method == "MOVE" and "/run/f0" in dav.nodes and not replaced:
            replaced.append(path)
            dav.put("/run/f0", b"HIS!")
            dav.nodes["/run/f0"].mtime += later

    dav.after = replace
    assert code_at_dav("put", "-r", "tree/", "/run") == 0
    assert dav.read("/run/f0") == b"HIS!"
    assert code_at_dav("put", "-r", "tree/", "/run") == 0
    assert dav.read("/run/f0") == b"ours"
    assert code_at_dav("get", "-r", "/run/", "back") == 0
    assert Path("back/f0").read_bytes() == b"ours"
    assert [path for path in dav.nodes if ".ctadata-" in path] == []


def test_where_each_name_has_its_own_tag_an_unchanged_file_is_not_sent_again(dav, code_at_dav):
    dav.named_tags = True
    Path("tree").mkdir()
    for index in range(20):
        Path(f"tree/f{index}").write_bytes(b"ours")
    assert code_at_dav("put", "-r", "tree/", "/run") == 0
    assert dav.methods().count("PUT") == 21  # one of them is the trial
    assert [path for path in dav.nodes if ".ctadata-" in path] == []
    dav.seen.clear()
    assert code_at_dav("put", "-r", "tree/", "/run") == 0
    assert "PUT" not in dav.methods()


@pytest.mark.parametrize("states_size", [lambda path: False, lambda path: ".ctadata-" not in path])
def test_a_file_whose_size_is_not_stated_is_done_and_has_no_record(dav, code_at_dav, states_size):
    dav.states_size = states_size
    Path("b.dat").write_bytes(b"content")
    for _ in range(2):
        assert code_at_dav("put", "b.dat", "/run/b.dat") == 0
    assert dav.methods().count("PUT") == 2


@pytest.mark.parametrize("command", [("put", "b.dat", "/run/b.dat"), ("put", "-r", "tree/", "/run")])
def test_a_confirmed_move_that_replaces_nothing_is_an_error(dav, code_at_dav, command):
    dav.put("/run/b.dat", b"another")
    dav.nodes["/run/b.dat"].mtime -= 100
    dav.idle["MOVE"] = (201, b"")
    Path("tree").mkdir()
    for name in ("b.dat", "tree/b.dat"):
        Path(name).write_bytes(b"content")
    for _ in range(2):
        assert code_at_dav(*command) == 7
    assert [path for path in dav.nodes if ".ctadata-" in path] == []


def as_directory(file):
    file.unlink()
    file.mkdir()


def with_object(file):
    content = json.loads(file.read_text())
    content["files"] = {name: [local, {"1": 1, "2": 2, "3": 3}, {}] for name, (local, _, _) in content["files"].items()}
    file.write_text(json.dumps(content))


@pytest.mark.parametrize("damage", [as_directory, with_object])
def test_a_damaged_record_costs_a_transfer_only(dav, code_at_dav, damage):
    Path("b.dat").write_bytes(b"content")
    assert code_at_dav("put", "b.dat", "/run/b.dat") == 0
    (file,) = record_cache.directory().glob("*.records")
    damage(file)
    assert code_at_dav("put", "b.dat", "/run/b.dat") == 0
    assert dav.methods().count("PUT") == 2


def test_the_receipt_of_a_refused_move_says_that_it_failed(dav, code_at_dav):
    dav.idle["MOVE"] = NOT_DONE["423"]
    Path("b.dat").write_bytes(b"content")
    assert code_at_dav("put", "--receipt", "r.jsonl", "b.dat", "/run/a.dat") == 5
    states = [json.loads(line).get("state") for line in Path("r.jsonl").read_text().splitlines()]
    assert "failed" in states
    assert "done" not in states
    assert dav.read("/run/a.dat") == b"content"
