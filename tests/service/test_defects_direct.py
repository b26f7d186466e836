"""Defects of older clients of the storage itself, which must not come back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctadata import direct
from ctadata.errors import CtadataError, LoginNeeded, PartialFailure, Untrusted
from ctadata.sandbox import Sandbox, faults

HOSTILE = ["lst; touch pwned", "$(touch pwned)", "`touch pwned`", "it's", 'say "hi"', "a&b", "a b", "a|b>c", "-rf"]


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox as the site of the environment, with a token for it; the working directory is empty."""
    with Sandbox() as box:
        (tmp_path / "config.toml").write_text(box.profile_toml("sandbox"))
        monkeypatch.setenv("CTADATA_CONFIG", str(tmp_path / "config.toml"))
        monkeypatch.setenv("CTADATA_PROFILE", "sandbox")
        monkeypatch.setenv("BEARER_TOKEN", box.token())
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        yield box


def test_a_tree_arrives_with_its_files_and_directories(box: Sandbox):
    names = ["a", "sub/b", "sub/deep/c"]
    for name in names:
        box.files.put(f"/lst/d/{name}", name.encode())
    assert direct.fetch_and_save_file_or_dir("lst/d", recursive=True) == sum(map(len, names))
    assert all(Path("d", name).read_text() == name for name in names)
    assert sorted(str(path) for path in Path("d").rglob("*") if path.is_dir()) == ["d/sub", "d/sub/deep"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_name_is_never_run_as_a_command(box: Sandbox, name):
    box.files.put(f"/lst/{name}/{name}", b"content")
    assert direct.fetch_and_save_file(f"lst/{name}/{name}") == 7
    assert os.listdir() == [name]
    assert direct.upload_file(f"./{name}", f"{name}/{name}")["total_written"] == 7
    os.mkdir("tree")
    os.chdir("tree")
    assert direct.fetch_and_save_file_or_dir(f"lst/{name}", recursive=True) == 7
    assert Path(name, name).read_bytes() == b"content"
    assert not list(Path("..").rglob("pwned"))


def test_no_program_is_started(box: Sandbox, monkeypatch):
    """So no program's arguments can hold a token."""
    box.files.put("/lst/d/f", b"12")
    for starter in ("subprocess.Popen", "os.system", "os.fork", "os.posix_spawn"):
        monkeypatch.setattr(starter, lambda *_, **__: pytest.fail("a program was started"))
    direct.fetch_and_save_file_or_dir("lst/d", recursive=True)
    direct.upload_dir("d", "up")
    direct.list_dir("lst", recursive=True)


def test_no_log_of_a_failure_shows_the_token(box: Sandbox, caplog, monkeypatch):
    caplog.set_level("DEBUG")
    token = os.environ["BEARER_TOKEN"]
    box.files.put("/lst/f", b"12")
    box.faults.add("door", "GET", "/lst/f", faults.Status(403, "Forbidden"))
    with pytest.raises(CtadataError) as caught:
        direct.fetch_and_save_file("lst/f")
    assert caplog.text
    assert token not in caplog.text + str(caught.value) + repr(caught.value)


def test_a_door_with_an_unsigned_certificate_is_refused(box: Sandbox, monkeypatch, tmp_path):
    lines = [line for line in box.profile_toml("sandbox").splitlines() if not line.startswith("ca ")]
    (tmp_path / "config.toml").write_text("\n".join(lines))
    with pytest.raises(Untrusted):
        direct.list_dir("lst")


@pytest.mark.parametrize("fault", [None, faults.Cut(after=0), faults.Status(500, "Oops")])
def test_a_failed_download_leaves_the_old_file(box: Sandbox, fault):
    Path("f").write_bytes(b"the former copy")
    if fault:
        box.files.put("/lst/f", b"x" * 1000)
        box.faults.add("pool" if isinstance(fault, faults.Cut) else "door", "GET", "/lst/f", fault, times=1000)
    with pytest.raises(CtadataError):
        direct.fetch_and_save_file("lst/f")
    assert Path("f").read_bytes() == b"the former copy"


def test_downloads_return_the_number_of_bytes(box: Sandbox):
    box.files.put("/lst/f", b"x" * 1000)
    assert direct.fetch_and_save_file("lst/f") / 10 == 100


def test_a_target_that_ends_with_a_slash_keeps_the_file_name(box: Sandbox):
    Path("f").write_text("x")
    assert direct.upload_file("f", "dir/")["path"] == "lst/users/ada/dir/f"


@pytest.mark.parametrize("spelling", ["tree", "tree/"])
def test_a_directory_goes_below_the_named_path_only(box: Sandbox, spelling):
    Path("tree/sub").mkdir(parents=True)
    Path("tree/sub/f").write_text("x")
    direct.upload_dir(spelling, "into")
    assert box.files.read("/lst/users/ada/into/sub/f") == b"x"
    assert not box.files.exists("/sub")


def test_listed_paths_are_complete_decoded_and_can_be_fetched(box: Sandbox):
    box.files.put("/cta/a b/é%", b"x")
    (listed,) = [path for path in direct.list_dir("cta", recursive=True) if not path.endswith("/")]
    assert listed == "cta/a b/é%"
    assert direct.fetch_and_save_file(listed) == 1


def test_errors_are_on_stderr_and_in_the_exit_code(box: Sandbox, run):
    ended = run("cta-data-direct", "get", "lst/missing")
    assert (ended.code, ended.out) == (3, "")
    assert "lst/missing" in ended.err


def test_no_temporary_file_is_left(box: Sandbox, tmp_path, monkeypatch, python):
    box.files.put("/lst/f", b"x")
    (tmp_path / "tmp").mkdir()
    monkeypatch.delenv("USER", raising=False)
    code = "from ctadata import direct; print(direct.fetch_and_save_file('lst/f'))"
    ended = python(code, TMPDIR=str(tmp_path / "tmp"))
    assert (ended.code, ended.out, ended.err) == (0, "1\n", "")
    assert os.listdir(tmp_path / "tmp") == []


def test_nothing_is_printed(box: Sandbox, capfd):
    box.files.put("/lst/d/f", b"x")
    direct.list_dir("lst", recursive=True)
    direct.fetch_and_save_file_or_dir("lst/d", recursive=True)
    assert capfd.readouterr() == ("", "")


def test_a_tree_that_fails_in_part_names_the_files_and_goes_on(box: Sandbox):
    for name in "abc":
        box.files.put(f"/lst/d/{name}", b"x")
    box.faults.add("door", "GET", "/lst/d/b", faults.Status(403, "Forbidden"))
    with pytest.raises(PartialFailure, match="/lst/d/b"):
        direct.fetch_and_save_file_or_dir("lst/d", recursive=True)
    assert sorted(os.listdir("d")) == ["a", "c"]


def test_the_storages_own_webdav_client_lists_with_the_agents_token(box: Sandbox):
    box.files.put("/lst/d/f", b"12")
    client = direct.webdav4_client()
    assert [entry["name"].strip("/") for entry in client.ls("/lst/d")] == ["lst/d/f"]
    client.http.close()


def test_token_and_secret_can_be_assigned_and_no_file_of_theirs_is_touched(box: Sandbox, monkeypatch):
    """In 0.6 an assigned secret emptied the file of the one before."""
    box.files.put("/lst/f", b"12")
    former = Path.home() / ".secret"
    former.write_text("the one before\n")
    client = direct.api.APIClient()
    client.secret = "a new one"
    assert client.secret == "a new one"
    assert former.read_text() == "the one before\n"
    client.token, good = "one that nobody knows", os.environ["BEARER_TOKEN"]
    with pytest.raises(direct.api.TokenError):
        client.list_dir("lst")
    client.token = good
    monkeypatch.delenv("BEARER_TOKEN")
    assert client.fetch_and_save_file("lst/f") == 2
    assert not (Path.home() / ".cta_token").exists()


def test_the_development_site_has_its_own_login(box: Sandbox, refusals, monkeypatch):
    """0.6 and 0.7 found an account by a part of its name, and could confuse the two."""
    monkeypatch.delenv("CTADATA_PROFILE")
    with pytest.raises(LoginNeeded, match="cscs-dev"):
        direct.list_dir("lst", dev_instance=True)
    client = direct.APIClient(dev_instance=True)
    client.token = "opaque-token"
    monkeypatch.setenv("BEARER_TOKEN", "opaque-token")
    assert refusals() == []
    for one, host in ((client, "dcache-dev.ctaodc.ch"), (direct.APIClient(), "dcache.cta.cscs.ch")):
        with pytest.raises(ConnectionRefusedError, match=host):  # the guard of the tests
            one.list_dir("lst")
        said = refusals()
        assert said
        assert all(host in line for line in said)
