"""Odd names at a dCache: each file comes back byte for byte under its name, or put refuses it with exit code 2."""

from __future__ import annotations

import os
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from session.conftest import OpenSession

from ctadata.config.resolve import resolve_profile
from ctadata.errors import Unsupported
from ctadata.namespace.listing import list_tree
from ctadata.namespace.mkdir import make_directory
from ctadata.namespace.name_check import check_for_others
from ctadata.namespace.remove import remove
from ctadata.namespace.rename import PlannedRename, rename
from ctadata.sandbox import Sandbox, faults
from ctadata.session import Session
from ctadata.site_copy import CopyMode, copy_between
from ctadata.transfer.report import Summary

KEPT = "kept"  # comes back at every door
CHANGED = "changed"  # NFC changes it: comes back if the door redirects
CONTROL = "control"  # has a control character: is refused

NAMES = {
    "plain.txt": KEPT, "a b": KEPT, " leading blank": KEPT, "trailing blank ": KEPT, "trailing dot.": KEPT,
    "...": KEPT, ".hidden": KEPT, "-rf": KEPT, "--": KEPT, "~": KEPT, "~ada": KEPT, "a;b": KEPT, "a;b=c&d": KEPT,
    "50%": KEPT, "%41": KEPT, "%2F": KEPT, "%00": KEPT, "x%20y": KEPT, "why?": KEPT, "?": KEPT, "a#b": KEPT,
    "#": KEPT, "a+b": KEPT, "a&b": KEPT, "a=b": KEPT, "a@b:c": KEPT, "[1]": KEPT, "{a}": KEPT, "*": KEPT,
    "it's": KEPT, '"quoted"': KEPT, "back\\slash": KEPT, "a|b": KEPT, "a<b>c": KEPT, "$HOME": KEPT, "`id`": KEPT,
    "\xe9.txt": KEPT, "stra\xdfe": KEPT, "日本語": KEPT, "한글": KEPT, "\U0001f600": KEPT, "👩‍🚀": KEPT,
    "א.txt": KEPT, "\u202ertl": KEPT, "a\u2028b": KEPT, "\xa0": KEPT, "\u0301 first": KEPT, "n" * 255: KEPT,
    "\xe9" * 127: KEPT,
    "e\u0301.txt": CHANGED, "U\u0308bersicht": CHANGED, "\u212b": CHANGED,
    "\u1112\u1161\u11ab\u1100\u1173\u11af": CHANGED, "\u0344": CHANGED, "q\u0307\u0323": CHANGED, "\u2126": CHANGED,
    "\uf900": CHANGED,
    "two\nlines": CONTROL, "carriage\rreturn": CONTROL, "tab\there": CONTROL, "\x01": CONTROL, "esc\x1b[31m": CONTROL,
    "del\x7f": CONTROL, "nel\x85": CONTROL,
}  # fmt: skip

Site = tuple[Sandbox, Session, set[str]]
"""A sandbox, a session there, and the names that come back from it."""


@pytest.fixture(scope="module", params=["redirect", "proxy"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    redirects = request.param == "redirect"
    folder = tmp_path_factory.mktemp(request.param)
    back = {name for name, kind in NAMES.items() if kind is KEPT or (kind is CHANGED and redirects)}
    with Sandbox(redirect=redirects) as box:
        (folder / "config.toml").write_text(box.profile_toml("sandbox"))
        token = folder / "token"
        token.touch(mode=0o600)
        token.write_text(box.token(lifetime=3600))
        env = {**os.environ, "CTADATA_CONFIG": str(folder / "config.toml")}
        with Session.open(resolve_profile("sandbox", env=env), token_file=token, env=env) as session:
            yield box, session, back


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory with a file of each name; the content is the name."""
    tree = tmp_path / "odd"
    tree.mkdir()
    for name in NAMES:
        (tree / name).write_bytes(name.encode())
    return tree


def failed(summary: Summary) -> set[str]:
    assert all(error.exit_code == 2 for error in summary.errors), summary.errors
    return {outcome.remote.name for outcome in summary.failed}


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_sixty_odd_names_survive_every_command(site: Site, tree: Path, tmp_path: Path) -> None:
    """The commands are put, list, get, put again, share, copy, mv, rm."""
    box, session, back = site
    refused = set(NAMES) - back
    assert len(NAMES) >= 60

    assert failed(session.put([str(tree)], "home:", recursive=True)) == refused
    home = session.resolve("home:odd")
    assert {entry.path.name for entry in list_tree(session.store, home)} == back
    assert {path.rpartition("/")[2] for path in box.files.tree(str(home))} == back

    assert session.get(["home:odd/"], str(tmp_path / "here"), recursive=True).exit_code == 0
    assert contents(tmp_path / "here") == {name: name.encode() for name in back}

    again = session.put([str(tree)], "home:", recursive=True)
    assert (again.done, again.skipped, failed(again)) == (0, len(back), refused)

    context = ssl.create_default_context(cafile=str(box.ca))
    for name in back:
        if NAMES[name] is CHANGED:
            with pytest.raises(Unsupported):
                check_for_others(session.store, home / name)
        else:
            check_for_others(session.store, home / name)
            link = session.site.door.share(home / name, lifetime=60).url
            with urllib.request.urlopen(link, context=context) as answer:
                assert answer.read() == name.encode()

    copies = session.resolve("home:copies")
    pulled = failed(copy_between(session, session, session.store.info(home), copies, mode=CopyMode()))
    assert pulled == {name for name in back if NAMES[name] is CHANGED}
    for name in pulled:  # the door redirects other programs
        way = CopyMode(through=True)
        assert copy_between(session, session, session.store.info(home / name), copies / name, mode=way).exit_code == 0
    assert {entry.path.name for entry in session.store.list(copies)} == back
    assert all(box.files.read(f"{copies}/{name}") == name.encode() for name in back)

    moved = session.resolve("home:moved")
    session.store.mkdir(moved)
    for entry in list(session.store.list(home)):
        rename(session.store, PlannedRename(entry, moved / entry.path.name))
    assert session.get(["home:moved/"], str(tmp_path / "moved"), recursive=True).exit_code == 0
    assert contents(tmp_path / "moved") == {name: name.encode() for name in back}

    for entry in list(session.store.list(moved)):
        remove(session.store, entry)
    assert box.files.tree(str(moved)) == []


@pytest.mark.parametrize("name", [name for name, kind in NAMES.items() if kind is not KEPT], ids=ascii)
def test_a_name_that_cannot_come_back_is_refused_alone(site: Site, tmp_path: Path, name: str) -> None:
    """put and mv refuse it before anything is lost; the message names the character, and nothing is left."""
    box, session, back = site
    if name in back:
        return
    file = tmp_path / "file"
    file.write_bytes(b"content")
    before = box.files.tree("/lst/users/ada")
    summary = session.put([str(file)], f"home:{name}")
    assert summary.exit_code == 2
    assert any(f"U+{ord(character):04X}" in summary.errors[0].what for character in name)
    assert box.files.tree("/lst/users/ada") == before

    box.files.put("/lst/users/ada/plain", b"plain")
    with pytest.raises(Unsupported):
        rename(session.store, PlannedRename(session.info("home:plain"), session.resolve("home:") / name), replace=True)
    assert box.files.read("/lst/users/ada/plain") == b"plain"
    box.files.remove("/lst/users/ada/plain")


def test_an_upload_under_such_a_name_is_checked_by_its_first_byte(site: Site, tmp_path: Path) -> None:
    """The check happens only if NFC changes the name."""
    box, session, back = site
    changed = sorted(name for name in back if NAMES[name] is CHANGED)
    (tmp_path / "file").write_bytes(b"content")
    for name in ["plain", *changed[:2]]:
        box.forget_seen()
        assert session.put([str(tmp_path / "file")], f"home:proved/{name}").exit_code == 0
        target = (session.resolve("home:proved") / name).encoded
        asked = [seen for seen in box.seen if (seen.server, seen.method, seen.target) == ("door", "GET", target)]
        assert [seen.header("Range") for seen in asked] == ["bytes=0-0"] * (name != "plain")


def test_a_new_file_that_cannot_be_read_back_is_deleted(site: Site, tmp_path: Path) -> None:
    """The door redirects the trial upload, but serves the bytes of the file itself."""
    box, session, _ = site
    name = "a\u030a"
    (tmp_path / "file").write_bytes(b"content")
    rule = box.faults.add("door", "GET", f"/lst/users/ada/{name}", faults.Proxied())
    summary = session.put([str(tmp_path / "file")], f"home:{name}")
    rule.remove()
    assert summary.exit_code == 2
    assert not box.files.exists(f"/lst/users/ada/{name}")


def test_a_name_that_is_refused_makes_no_directory(site: Site, tmp_path: Path) -> None:
    box, session, _ = site
    (tmp_path / "file").write_bytes(b"content")
    assert session.put([str(tmp_path / "file")], "home:new/a\tb").exit_code == 2
    assert not box.files.exists("/lst/users/ada/new")


def test_a_new_name_that_is_not_utf8_is_refused(site: Site, tmp_path: Path) -> None:
    box, session, _ = site
    (tmp_path / "file").write_bytes(b"content")
    session.put([str(tmp_path / "file")], "home:plain")
    before = box.files.tree("/lst/users/ada")
    for target in ("home:h\udcff", "home:dd\udcff/", "home:dd\udcff/x"):
        with pytest.raises(Unsupported, match="not UTF-8"):
            session.put([str(tmp_path / "file")], target)
        renaming = PlannedRename(session.info("home:plain"), session.resolve(target.rstrip("/")))
        with pytest.raises(Unsupported, match="not UTF-8"):
            rename(session.store, renaming, replace=True)
    with pytest.raises(Unsupported, match="not UTF-8"):
        make_directory(session.store, session.resolve("home:m\udcff"))
    assert box.files.tree("/lst/users/ada") == before


def test_a_token_that_may_only_create_writes_such_names_too(
    box: Sandbox, open_session: OpenSession, tmp_path: Path
) -> None:
    """The token may neither read nor delete, so nothing is checked; the file is there under its name."""
    (tmp_path / "file").write_bytes(b"content")
    session = open_session(token=box.token(scope="openid storage.create:/"))
    assert session.put([str(tmp_path / "file")], "home:e\u0301").exit_code == 0
    assert box.files.read("/lst/users/ada/e\u0301") == b"content"
