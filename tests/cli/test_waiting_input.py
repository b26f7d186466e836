"""One signal ends a command that waits for its input: a list that a pipe, a FIFO or a terminal still has to deliver."""

import contextlib
import os
import pathlib
import select
import signal
import subprocess
import sys

import pytest
from cli.conftest import PATIENCE

WAITING = "--stats", "0.01"
"""The options of a run whose lines of progress show that it has begun, and so that it waits for its list."""


def stop(process, number):
    """Send one signal to a run that shows its progress; return its exit code and stderr."""
    assert "elapsed" in process.stderr.readline()
    process.send_signal(number)
    process.wait(PATIENCE)  # `communicate` would end the list
    err = process.communicate()[1]
    assert err.count("stopping; ") == err.count("cta-data-direct: stopped") == 1
    assert "Traceback" not in err
    return process.returncode, err


def names_of_open_files(pid):
    names = set()
    for each in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            names.add(os.path.basename(os.readlink(each)))
    return names


@pytest.fixture
def fifo(tmp_path):
    """A FIFO that nobody writes to."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


class TestOneSignalEndsTheWaitForAList:
    @pytest.mark.parametrize(
        ("words", "number", "code"),
        [
            (("get", "out"), signal.SIGINT, 130),
            (("get", "-0", "out"), signal.SIGTERM, 143),
            (("put", ".", "/lst/users/ada/new"), signal.SIGTERM, 143),
        ],
    )
    def test_a_fifo_without_a_writer(self, at_box, fifo, words, number, code):
        process = at_box.start(words[0], *WAITING, "--files-from", fifo, *words[1:])
        assert stop(process, number)[0] == code

    @pytest.mark.parametrize("words", [("get", "out"), ("put", ".", "/lst/users/ada/new")])
    def test_a_pipe_whose_writer_writes_nothing(self, at_box, words):
        process = at_box.start(words[0], *WAITING, "--files-from", "-", *words[1:], stdin=subprocess.PIPE)
        assert stop(process, signal.SIGTERM)[0] == 143

    @pytest.mark.parametrize("begun", ['[{"scope": "ctao",\n', '<?xml version="1.0"?>\n', "lst/un"])
    def test_a_list_that_has_begun_is_not_taken_for_a_damaged_one(self, at_box, fifo, begun):
        process = at_box.start("get", *WAITING, "--files-from", fifo, "out")
        with fifo.open("w") as writer:
            writer.write(begun)
            writer.flush()
            code, err = stop(process, signal.SIGTERM)
        assert code == 143
        assert "failed" not in err
        assert "the list" not in err

    def test_what_was_begun_ends_as_on_any_stop(self, at_box, box, place, stalled):
        box.files.put(f"/{place}/small", b"content")
        process = at_box.start("get", "--json", "--files-from", "-", "out", stdin=subprocess.PIPE)
        process.stdin.write(f"{place}/small\n")
        process.stdin.flush()
        assert "/small" in process.stdout.readline()
        process.stdin.write(f"{place}/big\n")
        process.stdin.flush()
        assert stalled.reached.wait(PATIENCE)
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)  # the list is still open
        err = process.communicate()[1]
        assert process.returncode == 143
        assert "1 file done" in err
        assert err.count("the same command continues") == 1
        assert err.count("cta-data-direct: stopped") == 1
        assert (at_box.cwd / "out" / place / "small").read_bytes() == b"content"
        assert not (at_box.cwd / "out" / place / "big").exists()

    @pytest.mark.parametrize("words", [("rm", "-f"), ("get",)])
    def test_ctrl_c_on_a_terminal(self, at_box, box, place, words):
        terminal = at_box.terminal(*words, "--files-from", "-")
        terminal.send(f"{place}/missing\n")
        box.wait_for(lambda seen: seen.target.endswith(f"{place}/missing"), PATIENCE)
        terminal.send("\x03")
        assert terminal.end() == 130
        assert terminal.text.count("stopping; ") == terminal.text.count("cta-data-direct: stopped") == 1

    def test_a_list_on_a_terminal_ends_with_the_terminal(self, at_box, box, place):
        box.files.put(f"/{place}/a", b"content")
        terminal = at_box.terminal("get", "--files-from", "-", "out")
        terminal.send(f"{place}/a\n")
        box.wait_for(lambda seen: seen.target.endswith(f"{place}/a"), PATIENCE)
        terminal.hang_up()
        assert terminal.process.wait(PATIENCE) == 0
        assert (at_box.cwd / "out" / place / "a").read_bytes() == b"content"

    def test_nothing_of_a_list_that_was_stopped_is_deleted(self, at_box, box, place):
        box.files.put(f"/{place}/a", b"1")
        process = at_box.start("rm", "--files-from", "-", stdin=subprocess.PIPE)
        process.stdin.write(f"{place}/a\n")
        process.stdin.flush()
        box.wait_for(lambda seen: seen.target.endswith(f"{place}/a"), PATIENCE)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 143
        assert box.files.exists(f"/{place}/a")


class TestWhatMayBeAList:
    def test_a_fifo_is_read_as_its_writer_writes(self, at_box, box, place, fifo):
        for name in "ab":
            box.files.put(f"/{place}/{name}", name.encode())
        process = at_box.start("get", "--files-from", fifo, "out")
        with fifo.open("w") as writer:
            for name in "ab":  # the second name is written after the first file has been asked for
                writer.write(f"{place}/{name}\r\n")
                writer.flush()
                box.wait_for(lambda seen, name=name: seen.target.endswith(f"{place}/{name}"), PATIENCE)
        assert process.wait(PATIENCE) == 0
        assert (at_box.cwd / "out" / place / "b").read_bytes() == b"b"

    def test_a_directory_and_an_endless_line_are_refused(self, at_box, tmp_path):
        assert "Is a directory" in at_box("get", "--files-from", tmp_path, "out", check=2).err
        assert "longer than 256 MiB" in at_box("get", "--files-from", "/dev/zero", "out", check=2).err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_ends_the_reading_of_a_large_file(at_box, box, place, number, code):
    """The file is sparse; to read it takes most of an hour."""
    box.files.put(f"/{place}/large", b"content")
    at_box("get", f"{place}/large", "--receipt", "r.jsonl", check=0)
    with (at_box.cwd / "large").open("r+b") as file:
        file.truncate(8 << 40)
    receipt = at_box.cwd / "r.jsonl"
    receipt.write_text(receipt.read_text().replace('"size": 7', f'"size": {8 << 40}'))
    process = at_box.start("verify", "r.jsonl")
    while "large" not in names_of_open_files(process.pid):
        assert process.poll() is None
    process.send_signal(number)
    process.wait(PATIENCE)
    err = process.communicate()[1]
    assert (process.returncode, err.count("all files again"), err.count("cta-data-direct: stopped")) == (code, 1, 1)


class TestSettingsFromAPipe:
    def test_a_fifo_without_a_writer_is_refused_at_once(self, cli, fifo):
        for words in (("list", "lst"), ("config",), ("get", "--files-from", fifo)):
            refused = cli(*words, env={"CTADATA_CONFIG": str(fifo)}, check=2)
            assert refused.err.startswith(f"cta-data-direct: {fifo}: this is a pipe, and nobody writes to it")
            assert len(refused.err.splitlines()) == 1

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_one_signal_ends_the_wait_for_a_writer(self, cli, fifo, number):
        writer = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while os.write(writer, b"#" * 4096):
                pass
        process = cli.start("list", "lst", env={"CTADATA_CONFIG": str(fifo)})
        assert select.select([], [writer], [], PATIENCE)[1]  # the command has read, and waits for more
        process.send_signal(number)
        assert process.wait(PATIENCE) in (130, -signal.SIGTERM)
        os.close(writer)

    def test_all_parts_of_a_command_get_the_settings(self, at_box, box, place, fifo):
        box.files.put(f"/{place}/a", b"content")
        settings = pathlib.Path(at_box.env["CTADATA_CONFIG"]).read_text()
        read, write = os.pipe()
        with open(write, "w") as writer:
            writer.write(settings)
        process = at_box.start("doctor", place, env={"CTADATA_CONFIG": f"/dev/fd/{read}"}, pass_fds=[read])
        os.close(read)
        assert process.wait(PATIENCE) == 0, process.stderr.read()

    def test_a_terminal_and_a_directory_are_refused(self, cli, tmp_path):
        terminal = cli.terminal("config", env={"CTADATA_CONFIG": "/dev/tty"})
        assert terminal.end() == 2
        assert "a terminal is no settings file" in terminal.text
        assert "Is a directory" in cli("config", env={"CTADATA_CONFIG": str(tmp_path)}, check=2).err


def test_one_signal_ends_the_wait_for_a_file_to_compare(at_box, box, place, fifo):
    box.files.put(f"/{place}/a", b"content")
    process = at_box.start("checksum", "--local", fifo, f"{place}/a")
    with fifo.open("w"):
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 143


PLATFORM = "import sys; sys.argv[0] = 'cta-data'; from ctadata.__main__ import main; main()"


def test_one_signal_ends_the_wait_for_a_token_of_the_platform(tmp_path, fifo):
    process = subprocess.Popen(
        [sys.executable, "-c", PLATFORM, "list", "--token-file", str(fifo)],
        cwd=tmp_path, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process, fifo.open("w"):
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 143


def test_an_endless_text_holds_no_access_key(cli):
    env = {"CTADATA_KIND": "s3", "CTADATA_ENDPOINT": "https://s3.example.org"}
    with open("/dev/zero") as zero:
        process = cli.start("credentials", "import", env=env, stdin=zero)
    assert process.wait(PATIENCE) == 2
    assert "holds no access key" in process.stderr.read()
