"""Messages, streams and exit codes of get and put; `tests/transfer` tests the paths."""

import os
import re

import pytest

from ctadata.sandbox import faults


def test_a_file_goes_up_and_comes_back(at_box, box, place):
    (at_box.cwd / "a.txt").write_bytes(b"hello")
    put = at_box("put", "a.txt", f"/{place}/", check=0)
    assert put.out == ""
    assert re.fullmatch(rf"cta-data-direct: 1 file done \(5 B in \d+ s\) to /{place}/a\.txt\n", put.err)
    get = at_box("get", f"{place}/a.txt", "b.txt", check=0)
    assert get.out == ""
    assert get.err.startswith("cta-data-direct: 1 file done (5 B in ")
    assert (at_box.cwd / "b.txt").read_bytes() == b"hello"


def test_r_and_R_transfer_trees(at_box, box, place):
    run = at_box.cwd / "run" / "sub"
    run.mkdir(parents=True)
    (run / "ü ;'.txt").write_bytes(b"1")
    (at_box.cwd / "run" / "empty").write_bytes(b"")
    at_box("put", "-R", "run", f"/{place}/", check=0)
    at_box("get", "-r", f"{place}/run", "out", check=0)
    assert (at_box.cwd / "out" / "run" / "sub" / "ü ;'.txt").read_bytes() == b"1"
    assert (at_box.cwd / "out" / "run" / "empty").read_bytes() == b""


def test_one_argument_goes_to_the_current_directory_and_several_to_the_last(at_box, box, place):
    box.files.put(f"/{place}/a", b"1")
    box.files.put(f"/{place}/b", b"2")
    at_box("get", f"{place}/a", check=0)
    at_box("get", f"{place}/a", f"{place}/b", "out", check=0)
    assert sorted(str(p.relative_to(at_box.cwd)) for p in at_box.cwd.rglob("*")) == ["a", "out", "out/a", "out/b"]


def test_a_relative_target_is_below_home(at_box, box, place):
    (at_box.cwd / "a").write_bytes(b"1")
    name = place.rpartition("/")[2]
    at_box("put", "a", f"{name}/", check=0)
    assert at_box("list", place, check=0).out == f"{place}/a\n"


def test_equal_files_are_skipped_and_counted(at_box, box, place):
    box.files.put(f"/{place}/a", b"1")
    at_box("get", f"{place}/a", check=0)
    again = at_box("get", f"{place}/a", check=0)
    assert again.err == "cta-data-direct: 1 file skipped, equal already\n"


def test_get_and_put_take_the_options_of_comparison(at_box, box, place):
    box.files.put(f"/{place}/a", b"there")
    (at_box.cwd / "a").write_bytes(b"here!")
    os.utime(at_box.cwd / "a", (4e9, 4e9))
    assert "to skip, equal" in at_box("get", "-n", "--size-only", f"{place}/a", check=0).err
    assert "to skip, newer at the target" in at_box("get", "-n", "--update", f"{place}/a", check=0).err
    assert "to skip, equal" in at_box("put", "-n", "--size-only", "a", f"/{place}/a", check=0).err


@pytest.mark.parametrize(
    "arguments",
    [
        ("get", "x", "--limit-rate", "fast"),
        ("put", "x", "y", "--limit-rate", "10"),
        ("get", "x", "--limit-rate", "24:00,10M"),
        ("get", "x", "--limit-rate", "08:00,10M 19:00"),
        ("get", "x", "--limit-rate", "08:00,10M 19:00,fast"),
        ("get", "x", "--limit-rate", "Tag-08:00,10M"),
        ("get", "x", "--limit-rate", "08:00,10M 08:00,2M"),
        ("get", "x", "--limit-rate", " , "),
        ("sync", ":x", "here", "--size-only", "--checksum"),
    ],
)
def test_usage_errors_are_one_line(at_box, arguments):
    ended = at_box(*arguments)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert arguments[-2 if "--limit-rate" in arguments else 3] in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("get", "-r", "", "out"),
        ("get", "x", ""),
        ("put", "", "x"),
        ("put", "x", ""),
        ("sync", ":x", ""),
        ("sync", "", ":"),
        *((name, "") for name in ("list", "exists", "share", "du", "find", "stat", "stage", "mkdir", "rm", "doctor")),
        ("cat", ":x", ""),
        ("mv", "", ":x"),
        ("copy", "", ":x"),
    ],
)
def test_an_empty_path_is_refused(at_box, box, arguments):
    before = len(box.seen)
    assert "a path is empty" in at_box(*arguments, check=2).err
    assert len(box.seen) == before


def test_the_rate_is_limited_and_shown(at_box, box, place):
    box.files.put(f"/{place}/a", bytes(1_500_000))
    ended = at_box("get", "--limit-rate", "1M", f"{place}/a", check=0)
    seconds = 1_500_000 / 2**20 - 0.25  # a quarter of a second may be saved up
    rate = re.search(r"([\d.]+) (KiB|MiB)/s", ended.err)
    assert rate, ended.err
    assert float(rate[1]) * (1024 if rate[2] == "MiB" else 1) <= 1_500_000 / 1024 / seconds


def test_a_directory_without_r_is_refused(at_box, box, place):
    box.files.put(f"/{place}/run/a", b"1")
    (at_box.cwd / "dir").mkdir()
    get, put = at_box("get", f"{place}/run"), at_box("put", "dir", f"/{place}/")
    for ended in (get, put):
        assert ended.code == 2
        assert ended.err.count("\n") == 1
        assert "-r" in ended.err
    assert list(at_box.cwd.iterdir()) == [at_box.cwd / "dir"]


def test_no_clobber_keeps_files_and_names_them(at_box, box, place):
    box.files.put(f"/{place}/a", b"remote")
    (at_box.cwd / "a").write_bytes(b"mine")
    ended = at_box("get", "--no-clobber", f"{place}/a", check=8)
    assert (at_box.cwd / "a").read_bytes() == b"mine"
    assert f"kept {place}/a (" in ended.err
    assert ended.err.endswith("cta-data-direct: 1 file kept\n")


class TestFailures:
    @pytest.fixture
    def bad(self, box, place):
        """Three files; one of them is forbidden."""
        for name in "abc":
            box.files.put(f"/{place}/{name}", b"content " + name.encode())
        rule = box.faults.add("door", "GET", f"/{place}/b", faults.Status(403, "No soup for you"))
        yield place
        rule.remove()

    def test_done_and_failed_files_exit_with_6(self, at_box, bad):
        ended = at_box("get", "-r", bad, "out", check=6)
        lines = ended.err.splitlines()
        assert any(line.startswith("failed ") and f"{bad}/b" in line and "No soup for you" in line for line in lines)
        assert lines[-1].startswith("cta-data-direct: 2 files done (18 B in ")
        assert lines[-1].endswith("; 1 file failed")
        assert sorted(p.name for p in at_box.cwd.rglob("*") if p.is_file()) == ["a", "c"]

    def test_all_files_failed_exits_with_the_first_code(self, at_box, bad):
        ended = at_box("get", f"{bad}/b", check=4)
        assert ended.err.endswith("cta-data-direct: 1 file failed\n")
        assert list(at_box.cwd.iterdir()) == []

    def test_quiet_shows_only_failures(self, at_box, bad):
        ended = at_box("get", "-q", "-r", bad, "out", check=6)
        assert ended.err.count("\n") == 1
        assert ended.err.startswith("failed ")
        assert at_box("get", "-q", f"{bad}/a", "x", check=0).err == ""

    def test_special_files_are_named(self, at_box, place):
        (at_box.cwd / "dir").mkdir()
        (at_box.cwd / "dir" / "dangling").symlink_to("nowhere")
        (at_box.cwd / "dir" / "good").write_bytes(b"")
        ended = at_box("put", "-r", "dir", f"/{place}/", check=6)
        assert "passed over dir/dangling (a link that leads nowhere)" in ended.err.splitlines()
        assert "; 1 file passed over" in ended.err

    @pytest.mark.parametrize("target", ["/", "/lst/", "/lst/new"])
    def test_an_error_names_the_target_and_not_the_temporary(self, at_box, target):
        (at_box.cwd / "f").write_bytes(b"x")
        ended = at_box("put", "f", target, check=4)
        assert f"failed {target.removesuffix('f') if target == '/lst/new' else target + 'f'}: not allowed" in ended.err
        assert ".ctadata-" not in ended.err

    def test_a_new_name_makes_one_directory_at_most(self, at_box, box, place):
        box.files.put(f"/{place}/f", b"x")
        for target in ("no/such/dir/y", "no/such/dir/"):
            ended = at_box("get", f"{place}/f", target, check=11)
            assert ended.err.startswith("cta-data-direct: no/such: local: no such directory")
            assert list(at_box.cwd.iterdir()) == []
        at_box("get", f"{place}/f", "new/y", check=0)
        assert (at_box.cwd / "new" / "y").read_bytes() == b"x"

    def test_an_empty_directory_is_doubtful_only_where_the_store_hides_forbidden_ones(
        self, at_box, box, place, tmp_path
    ):
        box.files.mkdir(f"/{place}/empty")
        words = "1 directory is empty, or you may not read it"
        assert words in at_box("get", "-r", f"{place}/empty", "out", check=0).err
        plain = (tmp_path / "settings.toml").read_text().replace('kind = "dcache"', 'kind = "webdav"')
        assert 'kind = "webdav"' in plain
        (tmp_path / "plain.toml").write_text(plain)
        env = {"CTADATA_CONFIG": str(tmp_path / "plain.toml")}
        assert words not in at_box("get", "-r", f"{place}/empty", "other", check=0, env=env).err
        assert (at_box.cwd / "other" / "empty").is_dir()

    def test_many_failures_of_one_reason_are_one_line(self, at_box, box, place):
        for number in range(50):
            box.files.put(f"/{place}/f{number:02}", b"x")
        rule = box.faults.add("door", "GET", f"/{place}/*", faults.Status(403, "Forbidden"))
        ended = at_box("-q", "get", "-r", "-j", "1", f"{place}/", "out", check=4)
        rule.remove()
        [line] = ended.err.splitlines()
        assert line.startswith("failed 50 files: not allowed: 403")
        assert line.count("(") == line.count(")") == 1
        names = [f"/{place}/f{number:02}" for number in range(50)]
        runs = [", ".join(names[start : start + 3]) for start in range(48)]
        assert line.endswith(tuple(f": {run} and 47 more" for run in runs))

    def test_no_such_local_file(self, at_box, place):
        ended = at_box("put", "nothing", f"/{place}/", check=3)
        assert ended.err == "cta-data-direct: nothing: no such local file\n"

    def test_no_such_remote_file(self, at_box, place):
        ended = at_box("get", f"{place}/nothing", check=3)
        assert ended.err.count("\n") == 1
        assert f"{place}/nothing" in ended.err

    def test_nothing_to_do_is_0(self, at_box, place):
        (at_box.cwd / "dir").mkdir()
        ended = at_box("put", "-r", "dir/", f"/{place}/", check=0)
        assert ended.err == "cta-data-direct: nothing to do: no files to move\n"


def test_verbose_shows_each_file(at_box, box, place):
    box.files.put(f"/{place}/a", b"1")
    ended = at_box("get", "-v", f"{place}/a", check=0)
    assert re.search(rf"^done {place}/a \(1 B in \d+ s; checked: size, adler32\)$", ended.err, re.MULTILINE)
    assert "token from BEARER_TOKEN" in ended.err


def test_an_unread_stderr_stops_nothing(at_box, box, place):
    for number in range(20):
        box.files.put(f"/{place}/{number}", b"1")
    process = at_box.start("get", "-v", "-r", f"{place}/", "out")
    process.stderr.close()
    assert process.wait(60) == 0
    assert len(list((at_box.cwd / "out").iterdir())) == 20


def test_many_missing_files_are_one_line_although_the_server_repeats_each_path(at_box, box, place):
    names = "".join(f"{place}/a {number}\n" for number in range(12))
    ended = at_box("get", "--files-from", "-", "out", stdin=names.encode(), check=3)
    failed = [line for line in ended.err.splitlines() if line.startswith("failed ")]
    assert len(failed) == 1
    assert failed[0].startswith("failed 12 files: there is no such file or directory: 404 Not Found, Path not found: /")
    assert failed[0].endswith(" and 9 more")


@pytest.mark.parametrize("options", [(), ("-n",), ("-q",)])
def test_a_missing_file_whose_name_is_not_utf8_is_one_failure(at_box, box, place, options):
    box.files.put(f"/{place}/good", b"1")
    missing = f"{place}/".encode() + b"\xff\xfe\n"
    words = ("get", *options, "--files-from", "-", "out")
    failed = at_box(*words, stdin=missing, check=3).err
    assert failed.count("there is no such file or directory") == 1
    assert f"{place}/\\udcff\\udcfe" in failed
    failed = at_box(*words, stdin=missing + f"{place}/good\n".encode(), check=6).err
    assert "bug" not in failed
    assert options or "1 file done" in failed


@pytest.mark.parametrize(
    "command",
    [
        ["get", "{remote}", "{local}"],
        ["get", "{remote}", "{local}/"],
        ["get", "{remote}", "copy", "--receipt", "{local}"],
        ["get", "--retry-failed", "{local}"],
        ["put", "{local}", "/{remote}"],
        ["sync", "{local}", ":{remote}"],
        ["verify", "{local}"],
        ["checksum", "--local", "{local}", "{remote}"],
        ["sandbox", "--write-config", "{local}"],
    ],
)
def test_a_local_path_that_the_system_refuses_is_no_bug_of_the_program(at_box, box, place, command):
    box.files.put(f"/{place}/a", b"1")
    name = "n" * 300
    done = at_box(*(word.format(remote=f"{place}/a", local=name) for word in command), check=11)
    assert f"{name}: local: File name too long" in done.err
    assert "bug" not in done.err
