"""Transfers with closed or full streams, without a home, and in a locale that lacks characters."""

import os
import shutil
import subprocess
import sys

import pytest

from ctadata.errors import LocalError
from ctadata.local_names import check_local_name
from ctadata.paths import NO_HOME

COMMAND = [sys.executable, "-m", "ctadata"]
WRITERS = [
    "list DIR",
    "tree DIR",
    "du DIR",
    "stat DIR/f",
    "cat DIR/f",
    "get DIR/f -",
    "share DIR/f",
    "get -n DIR/f",
]
"""Commands that write to stdout."""


@pytest.fixture
def there(at_box, box, place):
    """A directory on the storage that has one file."""
    box.files.put(f"/{place}/f", b"content")
    return place


def under(at_box, tail, *arguments, **env):
    """Run the command with the redirections of `tail`."""
    shell = f'exec "$@" {tail}'
    return subprocess.run(
        ["sh", "-c", shell, "sh", *COMMAND, *arguments],
        cwd=at_box.cwd, env=at_box.environment(env), capture_output=True, timeout=60, check=False,
    )  # fmt: skip


class TestStreams:
    @pytest.mark.parametrize("tail", ["2>&-", "2>/dev/full", "<&- >&- 2>&-", ">/dev/full"])
    def test_transfers_work_with_closed_or_full_streams(self, at_box, box, there, tail):
        (at_box.cwd / "g").write_bytes(b"up")
        assert under(at_box, tail, "get", f"{there}/f", "here").returncode == 0
        assert (at_box.cwd / "here").read_bytes() == b"content"
        assert under(at_box, tail, "put", "g", f"/{there}/").returncode == 0
        assert box.files.read(f"/{there}/g") == b"up"

    @pytest.mark.parametrize("tail", ["2>&-", "2>/dev/full"])
    def test_a_failure_keeps_its_exit_code_without_streams(self, at_box, there, tail):
        done = under(at_box, tail, "get", f"{there}/nothing", "here")
        assert (done.returncode, done.stdout) == (3, b"")

    def test_messages_never_go_into_a_file_with_the_descriptor_of_a_closed_stream(self, at_box, there):
        assert under(at_box, "2>&-", "get", "-v", "-v", f"{there}/f", "here", "--receipt", "r").returncode == 0
        assert (at_box.cwd / "here").read_bytes() == b"content"
        assert (at_box.cwd / "r").read_bytes().count(b"\n") == 1

    def test_json_lines_that_cannot_be_written_are_an_error_at_the_end(self, at_box, there):
        done = under(at_box, ">/dev/full", "get", "--json", f"{there}/f", "here")
        assert done.returncode == 11
        assert b"the output cannot be written" in done.stderr
        assert (at_box.cwd / "here").read_bytes() == b"content"

    @pytest.mark.parametrize("arguments", WRITERS)
    def test_output_for_a_closed_stdout_is_an_error(self, at_box, there, arguments):
        done = under(at_box, ">&-", *arguments.replace("DIR", there).split())
        assert done.stderr == b"cta-data-direct: local: standard output is closed\n"
        assert done.returncode == 11

    def test_a_command_without_output_needs_no_stdout(self, at_box, box, there):
        assert under(at_box, ">&-", "mkdir", f"{there}/new").returncode == 0
        assert under(at_box, ">&-", "-q", "rm", f"{there}/f").returncode == 0
        assert box.files.tree(f"/{there}") == [f"/{there}/new/"]

    def test_work_is_done_before_its_output_fails(self, at_box, there):
        done = under(at_box, ">&-", "get", "--json", f"{there}/f", "here")
        assert done.returncode == 11
        assert b"standard output is closed" in done.stderr
        assert (at_box.cwd / "here").read_bytes() == b"content"

    def test_completion_without_stdout_prints_no_message(self, at_box):
        env = {"_CTA_DATA_DIRECT_COMPLETE": "complete_bash", "COMP_WORDS": "cta-data-direct li", "COMP_CWORD": "1"}
        assert under(at_box, ">&-", **env).stderr == b""

    @pytest.mark.parametrize("arguments", [("put", "-", "PATH"), ("get", "--files-from", "-", "out")])
    def test_input_from_a_closed_stdin_is_an_error(self, at_box, box, there, arguments):
        done = under(at_box, "<&-", *(argument.replace("PATH", f"/{there}/new") for argument in arguments))
        assert (done.returncode, done.stderr) == (11, b"cta-data-direct: local: standard input is closed\n")
        assert not box.files.exists(f"/{there}/new")


HOMELESS = """
import os, pwd, runpy, sys

def nobody(_):
    raise KeyError("no such user")

pwd.getpwuid = pwd.getpwnam = nobody
for name in [name for name in os.environ if name == "HOME" or name.startswith("XDG_")]:
    del os.environ[name]
runpy.run_module("ctadata", run_name="__main__", alter_sys=True)
"""


class TestHome:
    """A container with a user id of its own: no HOME, and no entry in the user database."""

    def go(self, at_box, *arguments, **env):
        return subprocess.run(
            [sys.executable, "-c", HOMELESS, *arguments],
            cwd=at_box.cwd, env=at_box.environment(env), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def test_transfers_work_without_a_home(self, at_box, there):
        assert self.go(at_box, "list", there).stdout == f"{there}/f\n"
        assert self.go(at_box, "get", f"{there}/f").returncode == 0
        (at_box.cwd / "g").write_bytes(b"up")
        assert self.go(at_box, "put", "g", f"/{there}/").returncode == 0
        assert not NO_HOME.exists()  # root could create it

    def test_a_login_without_a_home_says_that_it_cannot_be_stored(self, at_box):
        done = self.go(at_box, "start-agent", BEARER_TOKEN="")
        assert (done.returncode, NO_HOME.exists()) == (11, False)
        assert done.stderr.splitlines()[-1].endswith("nothing can be stored without a home directory (set HOME)")

    def test_without_a_token_a_login_is_needed(self, at_box, there):
        done = self.go(at_box, "list", there, BEARER_TOKEN="")
        assert done.returncode == 4, done.stderr
        assert "start-agent" in done.stderr

    def test_without_a_home_the_built_in_settings_hold(self, at_box):
        done = self.go(at_box, "config", CTADATA_CONFIG="")
        assert (done.returncode, done.stderr) == (0, "")

    def test_without_a_home_a_tilde_in_the_settings_is_an_error(self, at_box):
        done = self.go(at_box, "config", CTADATA_CONFIG="~/settings.toml")
        assert done.returncode == 2
        assert "this home directory is not known" in done.stderr


@pytest.fixture(params=["ASCII", "ISO-8859-1"])
def letters(request, tmp_path):
    """The environment of a locale with few characters, and the name of its encoding."""
    if request.param == "ASCII":
        return {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "ascii"
    made = shutil.which("localedef")
    if made:
        command = [made, "-i", "de_DE", "-f", "ISO-8859-1", str(tmp_path / "de_DE.ISO-8859-1")]
        subprocess.run(command, check=False, capture_output=True)
    if not (tmp_path / "de_DE.ISO-8859-1/LC_CTYPE").exists():
        pytest.skip("this machine cannot make a locale of ISO-8859-1")
    return {"LOCPATH": str(tmp_path), "LC_ALL": "de_DE.ISO-8859-1", "PYTHONUTF8": "0"}, "latin-1"


class TestLocale:
    def test_a_name_that_the_locale_cannot_write_fails_alone(self, at_box, box, there, letters):
        env, encoding = letters
        for name in ("é", "日本"):
            box.files.put(f"/{there}/{name}", name.encode())
        done = under(at_box, "", "get", "-r", f"{there}/", "out", **env)
        assert done.returncode == 6
        strange = ["日本"] if encoding == "latin-1" else ["é", "日本"]
        assert done.stderr.count(b"no local file can have this name") == len(strange)
        assert b"unexpected" not in done.stderr
        names = {b"f", "é".encode(encoding)} if encoding == "latin-1" else {b"f"}
        assert set(os.listdir(os.fsencode(at_box.cwd / "out"))) == names

    def test_a_directory_name_that_the_locale_cannot_write_is_one_failure(self, at_box, box, there, letters):
        box.files.put(f"/{there}/日本/deep/f", b"x")
        done = under(at_box, "", "get", "-r", f"{there}/", "out", **letters[0])
        assert done.returncode == 6
        assert done.stderr.count(b"no local file can have this name") == 1
        assert [path.name for path in (at_box.cwd / "out").iterdir()] == ["f"]

    def test_uploaded_names_are_utf8(self, at_box, box, there, letters):
        env, encoding = letters
        name = "gruen" if encoding == "ascii" else "grün"
        tree = at_box.cwd / "tree"
        tree.mkdir()
        (tree / os.fsdecode(name.encode(encoding))).write_bytes(b"g")
        (at_box.cwd / "list").write_bytes(f"{name}\n".encode(encoding))
        done = under(at_box, "", "put", "-r", "tree/", f"/{there}/up", **env)
        assert done.returncode == 0, done.stderr
        done = under(at_box, "", "put", "--files-from", "list", "tree", f"/{there}/listed", **env)
        assert done.returncode == 0, done.stderr
        for folder in ("up", "listed"):
            assert box.files.read(f"/{there}/{folder}/{name}") == b"g"

    def test_an_argument_that_means_two_names_is_refused(self, at_box, box, there, letters):
        """`list` writes UTF-8 into a pipe, so its lines may come back as arguments."""
        env, encoding = letters
        shown = "é".encode().decode("latin-1")
        for name in ("é", shown):
            box.files.put(f"/{there}/{name}", name.encode())
        listed = os.fsencode(f"{there}/") + "é".encode()
        for words in (["rm", listed], ["sync", "--delete", "--yes", "here", b":" + listed]):
            done = under(at_box, "", *words, **env)
            if encoding == "latin-1":
                assert (done.returncode, done.stderr.count(b"in this locale the name is read as")) == (2, 1)
                assert box.files.read(f"/{there}/é") == "é".encode()
        if encoding == "latin-1":  # the bytes that a terminal sends
            assert under(at_box, "", "rm", os.fsencode(f"{there}/") + b"\xe9", **env).returncode == 0
        assert not box.files.exists(f"/{there}/é")
        assert box.files.read(f"/{there}/{shown}") == shown.encode()


def test_two_names_for_one_local_file_are_refused():
    assert check_local_name("é") == "é"
    assert check_local_name(os.fsdecode(b"\xff")) == os.fsdecode(b"\xff")
    with pytest.raises(LocalError, match="no local file"):
        check_local_name("\udcc3\udca9")  # escapes for the very bytes of é
    with pytest.raises(LocalError, match="no local file"):
        check_local_name("\ud800")


class TestLimits:
    def limited(self, at_box, limit, *arguments):
        return subprocess.run(
            ["sh", "-c", f'{limit}; exec "$@"', "sh", *COMMAND, *arguments],
            cwd=at_box.cwd, env=at_box.environment({}), capture_output=True, timeout=60, check=False, text=True,
        )  # fmt: skip

    def test_a_low_limit_of_open_files_means_fewer_workers(self, at_box, box, place):
        for number in range(30):
            box.files.put(f"/{place}/{number}", b"content")
        done = self.limited(at_box, "ulimit -n 32", "get", "-r", f"{place}/", "out")
        assert done.returncode == 0, done.stderr
        assert "only 32 files may be open at a time (ulimit -n), so 1 of 8 jobs run" in done.stderr
        assert len(os.listdir(at_box.cwd / "out")) == 30
        done = self.limited(at_box, "ulimit -n 32", "put", "-r", "out", f"/{place}/up")
        assert done.returncode == 0, done.stderr

    @pytest.mark.parametrize("limit", [28, 64])
    def test_many_directories_fit_into_a_low_limit(self, at_box, box, place, limit):
        content = os.urandom(3_000_000)
        box.files.put(f"/{place}/large", content)
        for number in range(160):
            for name in "ab":
                box.files.put(f"/{place}/{number % 8}/{number}/{name}", b"content")
        done = self.limited(at_box, f"ulimit -n {limit}", "get", "-q", "-r", f"{place}/", "out")
        assert done.returncode == 0, done.stderr
        assert sum(len(files) for _, _, files in os.walk(at_box.cwd / "out")) == 321
        assert (at_box.cwd / "out" / "large").read_bytes() == content
        done = self.limited(at_box, f"ulimit -n {limit}", "list", "-r", f"{place}/")
        assert done.returncode == 0, done.stderr

    def test_the_words_name_the_open_files(self, at_box, box, place):
        for number in range(8):
            box.files.put(f"/{place}/{number}/f", b"content")
        done = self.limited(at_box, "ulimit -n 8", "get", "-q", "-r", f"{place}/", "out")
        assert done.returncode != 0
        assert "too many files are open: this process may open 8" in done.stderr
        assert "CA certificates" not in done.stderr
        done = self.limited(at_box, "ulimit -n 28", "get", "-q", "-r", f"{place}/", "out")
        assert done.returncode == 0, done.stderr
        assert not [name for _, _, files in os.walk(at_box.cwd / "out") for name in files if name != "f"]

    def test_a_command_raises_the_limit_as_far_as_it_may(self, at_box, box, place):
        box.files.put(f"/{place}/f", b"content")
        done = self.limited(at_box, "ulimit -Sn 32", "get", "-r", f"{place}/", "out")
        assert (done.returncode, "ulimit" in done.stderr) == (0, False), done.stderr

    def test_a_file_that_is_too_large_is_named(self, at_box, box, place):
        box.files.put(f"/{place}/large", os.urandom(3_000_000))
        box.files.put(f"/{place}/small", b"content")
        done = self.limited(at_box, "ulimit -f 1000", "get", "-q", "-r", f"{place}/", "out")
        assert done.returncode == 6
        assert done.stderr.startswith("failed out/large: local: File too large\n")

    def test_a_lack_of_memory_is_named(self, at_box, there):
        done = self.limited(at_box, "ulimit -v 150000", "get", f"{there}/f", "here")
        assert done.returncode in (0, 11)
        assert "fault" not in done.stderr
