"""`list`: lines for people, for pipes and for programs."""

import json
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import zlib
from urllib.parse import quote

import pytest
from stores.odd_server import Answer, OddServer

from ctadata.cli import entry_lines, output
from ctadata.cli.commands import list as list_
from ctadata.sandbox import faults

MTIME = 1_700_000_000.0  # 2023-11-14T22:13:20Z
ADLER32 = f"adler32:{zlib.adler32(b'x' * 2048):08x}"


@pytest.fixture
def tree(box, place):
    """A directory of the sandbox with a few entries."""
    box.files.put(f"/{place}/a.fits", b"x" * 2048, mtime=MTIME)
    box.files.put(f"/{place}/sub/ü b.txt", b"", mtime=MTIME)
    return place


def test_each_line_is_a_path_that_commands_take(at_box, tree):
    out = at_box("list", tree, check=0).out
    assert out.splitlines() == [f"{tree}/a.fits", f"{tree}/sub/"]
    assert at_box("list", out.splitlines()[1], check=0).out == f"{tree}/sub/ü b.txt\n"


NAMES = ["b", "a", "A", "a.b", "é", "\U0001f600", "\ue000", "10", "9"]
PROPSTAT = "<D:propstat><D:prop>{}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
RESPONSE = "<D:response><D:href>{}</D:href>" + PROPSTAT + "</D:response>"


def listing(*names):
    """Yield the parts of a server's listing of `/d/` with these files."""
    yield b'<D:multistatus xmlns:D="DAV:">'
    yield RESPONSE.format("/d/", "<D:resourcetype><D:collection/></D:resourcetype>").encode()
    for name in names:
        yield RESPONSE.format(f"/d/{quote(name)}", "<D:getcontentlength>1</D:getcontentlength>").encode()
    yield b"</D:multistatus>"


class TestOrder:
    @pytest.fixture
    def server(self, monkeypatch, tmp_path):
        """The site: it lists names in an order of its own."""
        with OddServer() as server:
            settings = tmp_path / "odd.toml"
            settings.write_text(f'default = "odd"\n[profiles.odd]\nkind = "webdav"\ndoor = "{server.url}"\n')
            monkeypatch.setenv("CTADATA_CONFIG", str(settings))
            self.lists(server, b"".join(listing(*NAMES)))
            yield server

    def lists(self, server, body):
        server.otherwise = Answer(207, {}, body)
        server.answers["PROPFIND /d"] = [Answer(207, {}, b"".join(listing())), server.otherwise]  # itself, its members

    @pytest.mark.parametrize(
        "options",
        [(), ("-l",), ("--sort",), ("-0", "--sort"), ("--json", "--sort"), ("-r", "--sort"), ("--include", "*")],
    )
    def test_entries_are_sorted_by_their_utf8_bytes(self, run, server, options):
        assert self.names(run("list", "/d", *options).out) == sorted(NAMES, key=str.encode)

    @pytest.mark.parametrize("options", [("-r",), ("-0",), ("--json",), ("--unsorted",), ("-l", "--unsorted")])
    def test_unsorted_keeps_the_order_of_the_server(self, run, server, options):
        assert self.names(run("list", "/d", *options).out) == NAMES

    def test_a_word_after_sort_that_is_nearly_a_key_is_no_path(self, run, server):
        for word in ("siez", "Time", "names"):
            error = run("list", "--sort", word, "/d", check=2).err
            assert f"nothing can be sorted by '{word}' (the keys are name, size, time)" in error
        assert server.asked == []
        assert self.names(run("list", "--sort", "/d").out) == sorted(NAMES, key=str.encode)

    def names(self, out):
        if out.startswith("{"):
            return [json.loads(line)["path"].rpartition("/")[2] for line in out.splitlines()]
        return [line.rpartition("/")[2] for line in re.split("[\n\0]", out) if line]

    def test_a_pipe_gets_the_first_line_before_the_last_entry_arrives(self, cli, server):
        seen = threading.Event()

        def body():
            for part in listing(*NAMES):
                if part.startswith(b"</"):
                    assert seen.wait(60)
                yield part

        self.lists(server, body)
        process = cli.start("list", "--unsorted", "/d")
        assert process.stdout.readline() == "d/b\n"
        seen.set()
        assert len(process.stdout.readlines()) == len(NAMES) - 1
        assert process.wait(60) == 0

    @pytest.mark.parametrize("together", [2, 1000])
    def test_entries_before_an_error_are_shown_sorted(self, run, server, monkeypatch, together):
        monkeypatch.setattr(output, "LINES", together)
        self.lists(server, b"".join(listing(*NAMES)).removesuffix(b"</D:multistatus>"))
        ended = run("list", "/d", check=5)
        assert self.names(ended.out) == sorted(NAMES, key=str.encode)
        assert ended.err.count("\n") == 1

    @pytest.mark.parametrize("options", [(), ("-l",)])
    def test_a_listing_larger_than_memory_is_sorted(self, run, server, monkeypatch, options):
        monkeypatch.setattr(entry_lines, "NAMES_IN_MEMORY", 4)
        monkeypatch.setattr(list_, "IN_MEMORY", 4)
        opened, open_file = [], tempfile.TemporaryFile
        monkeypatch.setattr(tempfile, "TemporaryFile", lambda: opened.append(open_file()) or opened[-1])
        assert self.names(run("list", "/d", *options).out) == sorted(NAMES, key=str.encode)
        assert len(opened) == 1


def test_sorted_lines_have_the_order_of_names(at_box, box, place):
    """A directory comes before its members, and before a longer name whose next byte is smaller than a slash."""
    for path in ("a/m", "a!", "a.b", "a0", "b"):
        box.files.put(f"/{place}/{path}", b"")
    lines = [f"{place}/{name}" for name in ("a/", "a/m", "a!", "a.b", "a0", "b")]
    assert at_box("list", "-r", "--sort", place, check=0).out.splitlines() == lines
    assert at_box("list", place, check=0).out.splitlines() == [line for line in lines if line != f"{place}/a/m"]


@pytest.mark.parametrize("option", ["-r", "-R", "--recursive"])
def test_r_lists_the_whole_tree(at_box, tree, option):
    out = at_box("list", option, tree, check=0).out
    assert set(out.splitlines()) == {f"{tree}/a.fits", f"{tree}/sub/", f"{tree}/sub/ü b.txt"}


def test_a_file_lists_itself(at_box, tree):
    assert at_box("list", f"{tree}/a.fits", check=0).out == f"{tree}/a.fits\n"


def test_without_a_path_it_is_the_root(at_box):
    assert "lst/" in at_box("list", check=0).out.splitlines()


def test_home_is_a_path(at_box, tree):
    name = tree.rpartition("/")[2]
    for spelling in ("home:", "~/"):
        assert f"{tree}/" in at_box("list", spelling, check=0).out.splitlines()
        assert at_box("list", f"{spelling}{name}/sub", check=0).out == f"{tree}/sub/ü b.txt\n"


def test_columns_in_a_pipe(at_box, tree):
    lines = at_box("list", "-l", tree, check=0).out.splitlines()
    assert lines[0].split() == ["-", "2048", "2023-11-14T22:13:20Z", "ONLINE", ADLER32, f"{tree}/a.fits"]
    assert lines[1].split()[:2] == ["d", "-"]
    assert lines[1].split()[3:] == ["-", "-", f"{tree}/sub/"]
    assert lines[0].index(tree) == lines[1].index(tree)


def test_columns_on_a_terminal(at_box, tree):
    terminal = at_box.terminal("list", "-l", tree, columns=120)
    assert terminal.end() == 0
    assert re.search(rf"- +2\.0 KiB  2023-11-14 22:13:20  ONLINE +{ADLER32}  lst/", terminal.text)


def test_json(at_box, tree):
    lines = at_box("list", "--json", tree, check=0).out.splitlines()
    file, directory = map(json.loads, lines)
    assert next(iter(file)) == "schema"
    assert file.pop("etag").startswith('"')
    assert file == {
        "schema": 1,
        "path": f"{tree}/a.fits",
        "kind": "file",
        "size": 2048,
        "mtime": "2023-11-14T22:13:20Z",
        "checksums": {"adler32": file["checksums"]["adler32"]},
        "locality": "ONLINE",
    }
    assert (directory["kind"], directory["size"], directory["path"]) == ("directory", None, f"{tree}/sub")


class TestOddNames:
    NAME = "evil\x1b[2J\u202e日本.txt"

    @pytest.fixture
    def odd(self, box, place):
        box.files.put(f"/{place}/{self.NAME}", b"x")
        return place

    def test_control_characters_do_not_reach_a_terminal(self, at_box, odd):
        terminal = at_box.terminal("list", "-l", odd, columns=200)
        assert terminal.end() == 0
        assert "\x1b" not in terminal.raw
        assert "evil\\x1b[2J\\u202e日本.txt" in terminal.raw

    def test_a_pipe_gets_the_bytes_unchanged(self, at_box, odd):
        assert at_box("list", odd, env={"LC_ALL": "C", "PYTHONUTF8": "0"}, check=0).out == f"{odd}/{self.NAME}\n"

    def test_json_is_ascii(self, at_box, odd):
        out = at_box("list", "--json", odd, check=0).out
        assert out.isascii()
        assert json.loads(out)["path"] == f"{odd}/{self.NAME}"

    def test_a_latin_terminal_gets_escapes(self, at_box, odd):
        terminal = at_box.terminal("list", odd, env={"PYTHONIOENCODING": "latin-1"}, columns=200)
        assert terminal.end() == 0
        assert "\\u65e5\\u672c.txt" in terminal.raw


class TestErrors:
    def test_a_missing_path_is_an_error(self, at_box, place):
        ended = at_box("list", f"{place}/nowhere")
        assert (ended.code, ended.out) == (3, "")
        assert ended.err.startswith("cta-data-direct: ")
        assert f"{place}/nowhere" in ended.err
        assert ended.err.count("\n") == 1

    def test_a_missing_path_that_exists_in_the_home_gets_a_hint(self, at_box, tree):
        name = tree.rpartition("/")[2]
        ended = at_box("list", name)
        assert ended.code == 3
        assert f"home:{name}" in ended.err

    def test_without_a_token(self, at_box):
        ended = at_box("list", env={"BEARER_TOKEN": ""})
        assert ended.code == 4
        assert "start-agent" in ended.err

    def test_a_token_of_another_issuer_is_ignored(self, at_box, box):
        ended = at_box("list", env={"BEARER_TOKEN": box.token(issuer="https://elsewhere.example")})
        assert ended.code == 4
        assert "warning: " in ended.err
        assert "BEARER_TOKEN" in ended.err

    def test_a_server_that_does_not_answer_is_an_error(self, at_box):
        ended = at_box("list", env={"CTADATA_DOOR": "https://localhost:1"})
        assert ended.code == 5
        assert "localhost:1" in ended.err

    def test_a_listing_that_breaks_off_is_an_error(self, at_box, box, tree):
        rule = box.faults.add("door", "PROPFIND", f"/{tree}/", faults.Status(500, "Internal problem"))
        try:
            ended = at_box("list", tree)
        finally:
            rule.remove()
        assert ended.code == 5
        assert "Internal problem" in ended.err


class TestMessages:
    def test_verbose_names_the_source_of_the_token(self, at_box, tree):
        ended = at_box("list", tree, "-v", check=0)
        assert "profile sandbox, token from BEARER_TOKEN" in ended.err
        assert at_box("list", tree, check=0).err == ""

    def test_debug_shows_steps_and_no_token(self, at_box, tree):
        token = at_box.env["BEARER_TOKEN"]
        for arguments, env in ((["list", tree, "-vv"], {}), (["list", tree], {"CTADATA_DEBUG": "1"})):
            ended = at_box(*arguments, env=env, check=0)
            assert re.search(r"^\d\d:\d\d:\d\d\.\d+ ctadata\.", ended.err, re.MULTILINE)
            for part in token.split("."):
                assert part not in ended.err

    def test_an_explicit_profile_ignores_tokens_from_outside(self, at_box, tree, tmp_path):
        assert at_box("list", tree, "-P", "sandbox").code == 4
        token = tmp_path / "token"
        token.write_text(at_box.env["BEARER_TOKEN"])
        token.chmod(0o600)
        assert at_box("list", tree, "-P", "sandbox", "--token-file", token, env={"BEARER_TOKEN": ""}).code == 0


def test_a_closed_pipe_is_no_error(at_box, box, place):
    for number in range(300):
        box.files.put(f"/{place}/file-{number:04}-{'x' * 100}", b"")
    command = f"{shlex.quote(sys.executable)} -m ctadata list {place} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=at_box.environment(None), timeout=60
    )
    assert done.stdout.splitlines() == [f"{place}/file-0000-{'x' * 100}", "0"]
    assert done.stderr == ""
