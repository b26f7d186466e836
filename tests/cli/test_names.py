"""The commands about names and small things: stat, tree, du, find, mkdir, mv, rm, rmdir, cat, checksum, get-home,
exists; in this process where that shows the same."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from ctadata.cli import main, output
from ctadata.sandbox import faults

HOME = "lst/users/ada"
MTIME = 1_700_000_000.0  # 2023-11-14T22:13:20Z
CONTENT = bytes(range(256)) * 8
ADLER32 = f"{zlib.adler32(CONTENT):08x}"


class Ended:
    """The end of a command: exit code and output."""

    def __init__(self, code: int, out: bytes, err: str) -> None:
        self.code = code
        self.raw = out
        self.err = err

    @property
    def out(self) -> str:
        return self.raw.decode(errors="surrogateescape")

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@pytest.fixture
def run(box, use_sandbox, monkeypatch) -> Callable[..., Ended]:
    """`run("stat", "x")`: the command, in this process, with the sandbox as its site."""
    use_sandbox(box)

    def run(*arguments: object, check: int | None = 0) -> Ended:
        out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            output.stdout_is_terminal.cache_clear()
            code = main.run([str(argument) for argument in arguments])
            out.flush()
        output.stdout_is_terminal.cache_clear()
        ended = Ended(code, out.buffer.getvalue(), err.getvalue())  # type: ignore[attr-defined]
        assert check is None or ended.code == check, (ended.out, ended.err)
        assert "Traceback" not in ended.err
        return ended

    return run


@pytest.fixture
def tree(box, place) -> str:
    """A directory for this test: `a.fits`, `run1/b.h5`, `run1/log/c.txt`."""
    box.files.put(f"/{place}/a.fits", CONTENT, mtime=MTIME)
    box.files.put(f"/{place}/run1/b.h5", b"12345", mtime=MTIME - 86400 * 400)
    box.files.put(f"/{place}/run1/log/c.txt", b"", mtime=MTIME)
    return place


def sent(box, method: str) -> list[str]:
    return [seen.target for seen in box.seen if seen.method == method]


class TestStat:
    def test_stat_shows_all_known_values(self, run, box, tree):
        box.files.entry(f"/{tree}/run1/b.h5").locality = "NEARLINE"
        lines = run("stat", f"{tree}/a.fits", f"{tree}/run1/b.h5").lines
        assert lines[:4] == [
            f"{tree}/a.fits",
            "  kind      file",
            "  size      2048 (2.0 KiB)",
            "  mtime     2023-11-14T22:13:20Z",
        ]
        assert lines[4].startswith('  etag      "0000')
        assert lines[5:7] == [f"  adler32   {ADLER32}", "  locality  ONLINE"]
        assert lines[-1] == "  locality  NEARLINE"

    def test_a_directory_and_the_root(self, run, tree):
        lines = run("stat", tree, "/").lines
        assert lines[:2] == [f"{tree}/", "  kind      directory"]
        assert "/" in lines

    def test_json_of_matches(self, run, tree):
        fields = [json.loads(line) for line in run("stat", "--json", f"{tree}/*").lines]
        assert {each["path"]: each["kind"] for each in fields} == {
            f"{tree}/a.fits": "file",
            f"{tree}/run1": "directory",
        }
        assert fields[0]["checksums"] == {"adler32": ADLER32}

    def test_some_missing_paths_exit_with_6(self, run, tree):
        ended = run("stat", f"{tree}/a.fits", f"{tree}/nope", f"{tree}/no*", check=6)
        assert ended.lines[0] == f"{tree}/a.fits"
        assert [line.split(":")[1].strip() for line in ended.err.splitlines()] == [f"/{tree}/nope", f"{tree}/no*"]
        assert run("stat", f"{tree}/nope", check=3).out == ""

    def test_a_slash_means_a_directory(self, run, tree):
        assert "not a directory" in run("stat", f"{tree}/a.fits/", check=2).err


class TestTree:
    def test_a_tree_is_drawn(self, run, tree):
        assert run("tree", tree).lines == [
            f"{tree}/",
            "├── a.fits",
            "└── run1/",
            "    ├── b.h5",
            "    └── log/",
            "        └── c.txt",
        ]

    def test_levels(self, run, tree):
        assert run("tree", "-L", "1", tree).lines == [f"{tree}/", "├── a.fits", "└── run1/"]
        for bad in ("-1", "x", "1.5", ""):
            assert "no number of levels" in run("tree", "-L", bad, tree, check=2).err

    def test_a_locale_without_line_characters_gets_ascii(self, at_box, tree):
        terminal = at_box.terminal("tree", tree, env={"PYTHONIOENCODING": "ascii"})
        assert terminal.end() == 0
        assert "`-- run1/" in terminal.text


class TestDu:
    def test_the_default_is_one_level_and_the_total(self, run, tree):
        assert [line.split() for line in run("du", tree).lines] == [["5", f"{tree}/run1/"], ["2053", f"{tree}/"]]

    def test_levels_words_and_files(self, run, tree):
        assert [line.split() for line in run("du", "-L", "0", "-H", tree, f"{tree}/a.fits").lines] == [
            ["2.0", "KiB", f"{tree}/"],
            ["2.0", "KiB", f"{tree}/a.fits"],
        ]
        assert len(run("du", "-L", "9", tree).lines) == 3

    def test_json(self, run, tree):
        (line,) = run("du", "--json", "-L", "0", tree).lines
        assert json.loads(line) == {"schema": 1, "path": tree, "size": 2053, "files": 3, "directories": 2}

    def test_files_without_a_size_are_named(self, run, box, tree):
        box.files.entry(f"/{tree}/a.fits").size = None
        assert "1 file of unknown size" in run("du", tree).err


class TestFind:
    @pytest.mark.parametrize(
        ("options", "names"),
        [
            (["--name", "*.h5"], ["run1/b.h5"]),
            (["--size", "+1k"], ["a.fits"]),
            (["--size", "+0", "--size", "-1k"], ["run1/b.h5"]),
            (["--older", "1y", "--kind", "f", "--newer", "2023-01-01"], ["a.fits", "run1/log/c.txt"]),
            (["--older", "2023-01-01"], ["run1/b.h5"]),
            (["--kind", "d"], ["run1/", "run1/log/"]),
            (["--newer", "1min", "--kind", "f"], []),
        ],
    )
    def test_criteria(self, run, tree, options, names):
        assert sorted(run("find", tree, *options).lines) == [f"{tree}/{name}" for name in names]

    def test_find_writes_paths_long_lines_and_json(self, run, tree):
        assert run("find", "-0", tree, "--name", "*.h5").raw == f"{tree}/run1/b.h5\0".encode()
        assert json.loads(run("find", "--json", tree, "--name", "*.h5").out)["size"] == 5
        assert run("find", "-l", tree, "--name", "*.h5").out.split()[:2] == ["-", "5"]

    @pytest.mark.parametrize(
        "options", [["--size", "x"], ["--newer", "soon"], ["--older", "7m"], ["--kind", "l"], ["--name", ".."]]
    )
    def test_invalid_criteria_are_refused(self, run, tree, options):
        ended = run("find", tree, *options, check=2)
        assert ended.err.count("\n") == 1


class TestMkdir:
    def test_mkdir_makes_only_the_last_directory(self, run, box, place):
        run("mkdir", f"{place}", f"home:{place.rpartition('/')[2]}/sub")
        assert box.files.exists(f"/{place}/sub")
        assert "name is taken" in run("mkdir", place, check=8).err
        assert "-p makes it" in run("mkdir", f"{place}/x/y", check=3).err

    def test_p_makes_the_directories_above_too(self, run, box, place):
        run("mkdir", "-p", f"{place}/x/y")
        run("mkdir", "-p", f"{place}/x/y")
        assert box.files.exists(f"/{place}/x/y")

    def test_a_refused_path_gets_the_hint_of_the_home(self, run):
        assert "home:plots" in run("mkdir", "plots", check=4).err


class TestMv:
    def test_mv_moves_files_directories_and_matches(self, run, box, tree):
        run("mv", f"{tree}/a.fits", f"{tree}/z.fits")
        run("mv", f"{tree}/z.fits", f"{tree}/run1/")
        run("mv", f"{tree}/run1", f"{tree}/run2")
        assert box.files.read(f"/{tree}/run2/z.fits") == CONTENT
        run("mkdir", f"{tree}/all")
        run("mv", f"{tree}/run2/*", f"{tree}/all")
        assert box.files.exists(f"/{tree}/all/log/c.txt")
        assert sorted(run("list", f"{tree}/run2").lines) == []

    def test_mv_replaces_nothing_without_force(self, run, box, tree):
        assert "name is taken" in run("mv", f"{tree}/a.fits", f"{tree}/run1/b.h5", check=8).err
        assert box.files.read(f"/{tree}/run1/b.h5") == b"12345"
        run("mv", "-f", f"{tree}/a.fits", f"{tree}/run1/b.h5")
        assert box.files.read(f"/{tree}/run1/b.h5") == CONTENT

    def test_a_missing_directory_above_the_target_is_named(self, run, box, tree):
        for source in ("a.fits", "run1"):
            ended = run("mv", f"{tree}/{source}", f"{tree}/none/x", check=3)
            assert f"/{tree}/none/x: the directory above does not exist\n" in ended.err

    def test_a_directory_replaces_nothing(self, run, box, tree):
        box.files.put(f"/{tree}/other/run1/kept", b"kept")
        for target in ("a.fits", "other"):
            run("mv", "-f", f"{tree}/run1", f"{tree}/{target}", check=8)
        assert box.files.read(f"/{tree}/other/run1/kept") == b"kept"
        assert box.files.exists(f"/{tree}/run1/b.h5")

    def test_what_would_be_done(self, run, box, tree):
        assert run("mv", "-n", f"{tree}/a.fits", f"{tree}/run1/").lines == [f"{tree}/a.fits -> {tree}/run1/a.fits"]
        assert box.files.exists(f"/{tree}/a.fits")

    def test_home_stays(self, run, tree):
        assert "is never deleted or moved" in run("mv", "home:", f"{tree}/x", check=2).err

    def test_a_missing_target(self, run, tree):
        assert "mv SRC... DST" in run("mv", tree, check=2).err
        assert run("mv", f"{tree}/a.fits", f"{tree}/run1", f"{tree}/nope", check=3).err.count("\n") == 1


class TestRm:
    def test_rm_deletes_files_and_matches(self, run, box, tree):
        ended = run("rm", "-v", f"{tree}/a.fits", f"{tree}/run1/*.h5", f"{tree}/nope", check=6)
        assert "deleted" in ended.err
        assert box.files.tree(f"/{tree}") == [f"/{tree}/run1/", f"/{tree}/run1/log/", f"/{tree}/run1/log/c.txt"]

    def test_a_literal_name_is_never_a_pattern(self, run, box, tree):
        for name in ("[ab]", "a", "b"):
            box.files.put(f"/{tree}/d/{name}", b"")
        run("rm", "--literal", f"{tree}/d/[ab]")
        assert "no such file" in run("rm", "--literal", f"{tree}/d/[ab]", check=3).err
        assert "no such file" in run("mv", "--literal", f"{tree}/d/[ab]", f"{tree}/run1", check=3).err
        assert box.files.tree(f"/{tree}/d") == [f"/{tree}/d/a", f"/{tree}/d/b"]

    @pytest.mark.parametrize(("options", "end"), [([], "\n"), (["-0"], "\0")])
    def test_the_names_of_a_list_are_deleted_and_are_no_patterns(self, run, box, tree, tmp_path, options, end):
        for name in ("[ab]", "a", "b", "c"):
            box.files.put(f"/{tree}/d/{name}", b"")
        names = [f"{tree}/d/[ab]", f"{tree}/d/c", ""]
        (tmp_path / "list").write_text(end.join(names))
        run("rm", *options, "--files-from", tmp_path / "list")
        run("rm", *options, "--files-from", tmp_path / "list", check=3)
        assert box.files.tree(f"/{tree}/d") == [f"/{tree}/d/a", f"/{tree}/d/b"]
        assert "rm PATH..." in run("rm", check=2).err

    def test_f_ignores_missing_names(self, run, box, tree):
        assert run("rm", "-f", f"{tree}/nope", f"{tree}/*.png").err == ""
        run("rm", "-f", f"{tree}/nope", f"{tree}/a.fits")
        assert not box.files.exists(f"/{tree}/a.fits")
        assert "directory" in run("rm", "-f", f"{tree}/run1", check=2).err

    def test_directories_need_r_and_a_yes(self, run, box, tree):
        assert "rm -r" in run("rm", f"{tree}/a.fits", f"{tree}/run1", check=2).err
        assert "--yes" in run("rm", "-r", f"{tree}/run1", check=2).err
        assert box.files.exists(f"/{tree}/a.fits")
        run("rm", "-r", "--yes", f"{tree}/run1", f"{tree}/run1/log")
        assert box.files.tree(f"/{tree}") == [f"/{tree}/a.fits"]

    def test_what_would_be_done(self, run, box, tree):
        assert run("rm", "-r", "-n", f"{tree}/run1", f"{tree}/a.fits").lines == [
            f"delete {tree}/run1/ (2 files in 2 directories, 5 B)",
            f"delete {tree}/a.fits (2.0 KiB)",
        ]
        assert box.files.exists(f"/{tree}/run1/b.h5")

    @pytest.mark.parametrize("flags", [["-n"], ["-r", "-n"]])
    def test_what_would_fail(self, run, tree, flags):
        assert "nope" in run("rm", *flags, f"{tree}/nope", check=3).err
        ended = run("rm", *flags, f"{tree}/nope", f"{tree}/a.fits", check=6)
        assert "nope" in ended.err and ended.lines == [f"delete {tree}/a.fits (2.0 KiB)"]
        run("rm", "-f", *flags, f"{tree}/nope", check=0)

    @pytest.mark.parametrize("path", ["/", "home:", "~/", "lst", HOME, "lst/users/*"])
    def test_root_and_home_stay(self, run, box, tree, path):
        assert "is never deleted or moved" in run("rm", "-r", "--yes", path, check=2).err
        assert box.files.exists(f"/{tree}/a.fits")

    def test_a_terminal_is_asked_with_the_number_of_names(self, at_box, box, tree):
        for answer, code in (("n", 1), ("y", 0)):
            terminal = at_box.terminal("rm", "-r", f"{tree}/run1", columns=200)
            terminal.expect(
                r"run1/ \(2 files in 2 directories, 5 B\)\n.*delete 2 files in 2 directories, 5 B\? \[y/N\]"
            )
            terminal.send(f"{answer}\n")
            assert terminal.end() == code
            assert box.files.exists(f"/{tree}/run1") == (answer == "n")

    def test_a_directory_that_grows_at_the_question_is_kept(self, at_box, box, tree):
        box.files.put(f"/{tree}/run2/x", b"x")
        terminal = at_box.terminal("rm", "-r", f"{tree}/run1", f"{tree}/run2", columns=200)
        terminal.expect(r"\[y/N\]")
        box.files.put(f"/{tree}/run1/new", b"precious")
        terminal.send("y\n")
        assert terminal.end() == 6
        assert "run1: it has changed since the question, so nothing of it was deleted" in terminal.text
        assert box.files.exists(f"/{tree}/run1/b.h5")
        assert not box.files.exists(f"/{tree}/run2")

    def test_no_input_asks_nothing(self, at_box, box, tree):
        for options, env in ((["--no-input"], {}), ([], {"CTADATA_NO_INPUT": "1"})):
            terminal = at_box.terminal("rm", *options, "-r", f"{tree}/run1", env=env)
            terminal.expect("nobody can answer here")
            assert terminal.end() == 2
        assert box.files.exists(f"/{tree}/run1")

    def test_a_refused_deletion_is_an_error(self, run, box):
        box.files.put("/lst/elsewhere/a", b"kept")
        ended = run("rm", "-r", "--yes", "lst/elsewhere", check=4)
        assert "list it first" in ended.err
        assert box.files.exists("/lst/elsewhere/a")


@pytest.mark.parametrize("command", ["cat", "get", "list", "stat", "rm", "exists", "find", "checksum"])
def test_a_slash_at_the_end_names_no_file(run, box, tree, tmp_path, monkeypatch, command):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    ended = run(command, f"{tree}/a.fits/", check=3 if command == "exists" else 2)
    assert ended.raw == b""
    assert command == "exists" or "it is a file, not a directory" in ended.err
    assert list(Path().iterdir()) == []
    assert box.files.exists(f"/{tree}/a.fits")


def test_only_the_whole_form_of_a_temporary_name_is_hidden(run, box, tree, tmp_path):
    box.files.put(f"/{tree}/run1/.ctadata-x", b"a file of a user")
    box.files.put(f"/{tree}/run1/.ctadata-a-b-1-1-c", b"on its way")
    assert run("list", f"{tree}/run1").lines == [f"{tree}/run1/.ctadata-x", f"{tree}/run1/b.h5", f"{tree}/run1/log/"]
    run("get", "-r", f"{tree}/run1/", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".ctadata-x", "b.h5", "log"]
    run("put", "-r", f"{tmp_path}/out/", f"/{tree}/back")
    assert box.files.exists(f"/{tree}/back/.ctadata-x")


class TestRmdir:
    def test_rmdir_deletes_only_empty_directories(self, run, box, tree):
        run("mkdir", f"{tree}/empty")
        ended = run("rmdir", f"{tree}/empty", f"{tree}/run1", f"{tree}/a.fits", check=6)
        assert "not empty" in ended.err
        assert "rm deletes files" in ended.err
        assert not box.files.exists(f"/{tree}/empty")
        assert box.files.exists(f"/{tree}/run1/b.h5")

    def test_a_directory_that_only_lists_as_empty_stays(self, run, box, tree):
        rule = box.faults.add("door", "PROPFIND", f"/{tree}/run1/*", faults.EmptyListing(), times=1)
        assert "not empty" in run("rmdir", f"{tree}/run1", check=2).err
        rule.remove()
        assert box.files.exists(f"/{tree}/run1/b.h5")

    @pytest.mark.parametrize("looks", range(3))
    def test_a_file_that_has_taken_the_name_meanwhile_stays(self, run, box, tree, looks):
        path = f"/{tree}/empty"
        box.files.mkdir(path)

        def replace() -> None:
            box.files.remove(path)
            box.files.put(path, CONTENT)

        box.faults.add("door", "PROPFIND", f"{path}*", faults.Meanwhile(replace), times=1, skip=looks)
        assert "a file, not a directory" in run("rmdir", path, check=2).err
        assert box.files.exists(path)

    def test_home_stays(self, run):
        assert "is never deleted or moved" in run("rmdir", "home:", check=2).err


class TestCat:
    def test_cat_writes_files_in_order(self, run, tree):
        assert run("cat", f"{tree}/a.fits", f"{tree}/run1/b.h5").raw == CONTENT + b"12345"

    @pytest.mark.parametrize(
        ("text", "part"),
        [
            ("0-0", CONTENT[:1]),
            ("10-19", CONTENT[10:20]),
            ("2040-", CONTENT[2040:]),
            ("-8", CONTENT[-8:]),
            ("-9999", CONTENT),
            ("2040-9999", CONTENT[2040:]),
        ],
    )
    def test_cat_writes_ranges(self, run, tree, text, part):
        assert run("cat", "--range", text, f"{tree}/a.fits").raw == part

    @pytest.mark.parametrize("text", ["-", "", "5-4", "a-b", "0-1,5-6", "2048-", "1"])
    def test_invalid_ranges_are_refused(self, run, tree, text):
        assert run("cat", "--range", text, f"{tree}/a.fits", check=2).raw == b""

    def test_a_range_of_an_empty_file_is_empty(self, run, tree):
        assert run("cat", "--range", "0-9", f"{tree}/run1/log/c.txt").raw == b""

    def test_a_range_that_breaks_off_continues(self, run, box, tree):
        box.faults.add("pool", "GET", f"/{tree}/a.fits", faults.Cut(after=100), times=1)
        assert run("cat", "--range", "5-1999", f"{tree}/a.fits").raw == CONTENT[5:2000]

    def test_a_damaged_file_exits_with_7(self, run, box, tree):
        box.faults.add("pool", "GET", f"/{tree}/a.fits", faults.Flip(at=7))
        assert "do not use what was written" in run("cat", f"{tree}/a.fits", check=7).err

    def test_a_directory(self, run, tree):
        for options in ([], ["--range", "0-1"]):
            assert "directory" in run("cat", *options, tree, check=2).err

    @pytest.mark.parametrize("options", ["", "--range 1-"])
    def test_a_closed_pipe_is_no_error(self, at_box, box, place, options):
        box.files.put(f"/{place}/large", b"x" * 3_000_000)
        line = (
            f"{shlex.quote(sys.executable)} -m ctadata cat {options} {place}/large | head -c 4; echo ${{PIPESTATUS[0]}}"
        )
        done = subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, env=at_box.environment(None), timeout=60
        )
        assert (done.stdout, done.stderr) == ("xxxx0\n", "")


class TestChecksum:
    def test_checksum_reads_no_file(self, run, box, tree):
        before = len(sent(box, "GET"))
        assert run("checksum", f"{tree}/a.fits", f"{tree}/run1/b.h5").lines == [
            f"{ADLER32}  {tree}/a.fits",
            f"02f80100  {tree}/run1/b.h5",
        ]
        assert len(sent(box, "GET")) == before

    def test_json_and_algorithm(self, run, tree):
        fields = json.loads(run("checksum", "--json", "-a", "ADLER32", f"{tree}/a.fits").out)
        assert fields == {"schema": 1, "path": f"{tree}/a.fits", "algorithm": "adler32", "digest": ADLER32}

    def test_an_unknown_algorithm_is_refused(self, run, tree):
        assert "it knows: adler32" in run("checksum", "-a", "md5", f"{tree}/a.fits", check=2).err
        assert "choose one of" in run("checksum", "-a", "crc", f"{tree}/a.fits", check=2).err
        assert "directory" in run("checksum", f"{tree}/run1", check=2).err

    def test_a_local_file_is_compared(self, run, tree, tmp_path: Path):
        here = tmp_path / "a"
        here.write_bytes(CONTENT)
        assert run("checksum", "--local", here, f"{tree}/a.fits").lines == [f"{ADLER32}  {tree}/a.fits"]
        here.write_bytes(CONTENT[:-1] + b"x")
        ended = run("checksum", "--local", here, f"{tree}/a.fits", check=7)
        assert ended.out == ""
        assert "differs" in ended.err
        assert run("checksum", "--local", tmp_path / "nope", f"{tree}/a.fits", check=3).code == 3
        assert "one file" in run("checksum", "--local", here, f"{tree}/a.fits", f"{tree}/run1/b.h5", check=2).err


class TestHomeAndExists:
    def test_home(self, run, box):
        assert run("get-home").lines == [f"{HOME}/"]
        assert json.loads(run("get-home", "--json").out)["path"] == HOME

    def test_exists(self, run, tree):
        for there in (tree, f"{tree}/", f"{tree}/a.fits", f"{tree}/*.fits"):
            assert run("exists", there).out == ""
        for missing in (f"{tree}/nope", f"{tree}/a.fits/", f"{tree}/*.png"):
            ended = run("exists", tree, missing, check=3)
            assert (ended.out, ended.err) == ("", "")
        assert f"{tree}/nope does not exist" in run("exists", "-v", f"{tree}/nope", check=3).err

    def test_exists_on_a_forbidden_path_exits_with_4(self, run, box, tree):
        rule = box.faults.add("door", "PROPFIND", f"/{tree}/secret", faults.Status(403, "Forbidden"))
        run("exists", f"{tree}/secret", check=4)
        rule.remove()


@pytest.mark.parametrize(("command", "shown"), [("find", "b.h5"), ("tree", "b.h5"), ("du", "2053")])
def test_a_forbidden_directory_does_not_hide_the_others(run, box, tree, command, shown):
    rule = box.faults.add("door", "PROPFIND", f"/{tree}/run1/log/*", faults.Status(403, "Forbidden"))
    ended = run(command, tree, check=6)
    assert shown in ended.out
    assert ended.err.count("\n") == 1
    assert f"/{tree}/run1/log: not allowed" in ended.err
    rule.remove()
    rule = box.faults.add("door", "PROPFIND", f"/{tree}/*", faults.Status(403, "Forbidden"))
    assert run(command, tree, check=4).err.count("\n") == 1
    rule.remove()


@pytest.mark.parametrize(
    "command",
    ["stat", "tree", "du", "find", "mkdir", "mv", "rm", "rmdir", "cat", "checksum", "get-home", "exists"],
)
def test_help_teaches_by_example(run, command):
    out = run(command, "--help").out
    assert out.count(f"cta-data-direct {command}") >= 1
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("command", ["stat", "tree", "du", "find", "mkdir", "rm", "rmdir", "cat", "checksum", "exists"])
def test_a_path_is_required(run, command):
    ended = run(command, check=2)
    assert re.fullmatch(rf"cta-data-direct: {command}: an argument is missing.*\n", ended.err)


def test_a_missing_login_ends_the_command(run, tree, monkeypatch):
    monkeypatch.delenv("BEARER_TOKEN_FILE")
    ended = run("stat", f"{tree}/a.fits", f"{tree}/run1", check=4)
    assert ended.err.count("start-agent") == 1
