"""Receipts from outside: what they say, what is verified by them, what is tried again; and the end of a run."""

import json
import os
import re
import resource
import shlex
import signal

import pytest

from ctadata.cli.transfer_run import summary_counts
from ctadata.paths import RemotePath
from ctadata.sandbox import faults
from ctadata.transfer.receipt import Record
from ctadata.transfer.receipt_timeline import read_timeline
from ctadata.transfer.report import State, Summary


@pytest.fixture
def three(box, place):
    for name in ("a", "b", "sub/c"):
        box.files.put(f"/{place}/{name}", b"content of " + name.encode())
    return place


@pytest.fixture
def bad(box, three):
    rule = box.faults.add("door", "GET", f"/{three}/b", faults.Status(403, "No soup for you"))
    yield rule
    rule.remove()


def lines(at_box, name="r.jsonl"):
    return {
        row["path"].rpartition("/")[2]: row for row in map(json.loads, (at_box.cwd / name).read_text().splitlines())
    }


class TestLines:
    def test_of_a_download(self, at_box, three, bad):
        at_box("get", "-r", f"{three}/", "out", "--receipt", "r.jsonl", check=6)
        rows = lines(at_box)
        assert set(rows) == {"a", "b", "c"}
        good, failed = rows["a"], rows["b"]
        assert good["schema"] == 1
        assert (good["action"], good["profile"], good["state"]) == ("get", "sandbox", "done")
        assert (good["path"], good["local"]) == (f"{three}/a", str(at_box.cwd.resolve() / "out" / "a"))
        assert (good["size"], good["retries"], good["error"]) == (12, 0, None)
        assert re.fullmatch("adler32:[0-9a-f]{8}", good["digest"])
        assert good["etag"].startswith('"')
        assert good["seconds"] >= 0
        assert "No soup for you" in failed["error"]
        assert (failed["state"], failed["exit_code"], failed["size"], failed["retries"]) == ("failed", 4, 12, 0)
        assert failed["etag"].startswith('"')
        at_box("get", f"{three}/a", "out/", "--receipt", "again.jsonl", check=0)
        again = lines(at_box, "again.jsonl")["a"]
        assert (again["state"], again["why"], again["digest"]) == ("skipped", "equal", good["digest"])

    def test_of_what_was_tried_in_vain(self, at_box, box, three):
        rule = box.faults.add("pool", "GET", f"/{three}/b", faults.Flip())
        at_box("get", f"{three}/b", "--receipt", "r.jsonl", check=7)
        rule.remove()
        row = lines(at_box)["b"]
        assert (row["state"], row["size"], row["retries"], row["digest"]) == ("failed", 12, 3, "")

    def test_of_what_went_into_a_pipe(self, at_box, three):
        at_box("get", f"{three}/a", "-", "--receipt", "r.jsonl", check=0)
        row = lines(at_box)["a"]
        assert (row["state"], row["local"], row["size"], row["verified"]) == ("done", None, 12, "size, adler32")
        assert row["etag"].startswith('"')

    def test_of_an_upload(self, at_box, place):
        (at_box.cwd / "f").write_bytes(b"12345")
        at_box("put", "f", f"/{place}/", "--receipt", "r.jsonl", check=0)
        row = lines(at_box)["f"]
        assert (row["action"], row["state"], row["path"]) == ("put", "done", f"{place}/f")
        assert (row["local"], row["digest"]) == (str(at_box.cwd.resolve() / "f"), "adler32:02f80100")

    def test_of_a_sync_that_deletes(self, at_box, three):
        (at_box.cwd / "out").mkdir()
        (at_box.cwd / "out" / "old").write_bytes(b"")
        at_box("sync", "--delete", "--yes", f":{three}", "out", "--receipt", "r.jsonl", check=0)
        assert {name: row["state"] for name, row in lines(at_box).items()} == {
            "a": "done", "b": "done", "c": "done", "old": "deleted",
        }  # fmt: skip

    def test_a_dry_run_writes_none(self, at_box, three):
        at_box("get", "-rn", three, "--receipt", "r.jsonl", check=0)
        assert not (at_box.cwd / "r.jsonl").exists()

    def test_they_come_as_files_end_and_a_kill_leaves_them(self, at_box, box, three):
        hang = box.faults.add("door", "GET", f"/{three}/b", faults.NoAnswer())
        process = at_box.start("get", "-r", f"{three}/", "out", "--receipt", "r.jsonl", "-j", "1", "-v")
        assert hang.reached.wait(60)
        process.send_signal(signal.SIGKILL)
        process.wait()
        hang.remove()
        [line] = (at_box.cwd / "r.jsonl").read_text().splitlines(keepends=True)
        assert json.loads(line)["path"] == f"{three}/a"
        assert line.endswith("\n")

    def test_after_half_a_line_a_new_one_begins(self, at_box, three):
        (at_box.cwd / "r.jsonl").write_text('{"schema": 1, "pa')
        at_box("get", f"{three}/a", "--receipt", "r.jsonl", check=0)
        _, whole = (at_box.cwd / "r.jsonl").read_text().splitlines()
        assert json.loads(whole)["state"] == "done"
        at_box("verify", "r.jsonl", check=6)

    def test_one_that_cannot_be_written_is_said_and_stops_nothing(self, at_box, three):
        at_box("get", f"{three}/b", "--receipt", "r.jsonl", check=0)
        before = (at_box.cwd / "r.jsonl").read_bytes()
        (at_box.cwd / "r.jsonl").write_bytes(before * 20)
        limit = (resource.RLIMIT_FSIZE, (len(before) * 20,) * 2)
        process = at_box.start(
            "get", f"{three}/a", "--receipt", "r.jsonl", preexec_fn=lambda: resource.setrlimit(*limit)
        )
        assert "receipt is not complete: File too large" in process.communicate()[1]
        assert process.returncode == 11
        assert (at_box.cwd / "a").exists()
        assert at_box("get", f"{three}/a", "--receipt", "no/such/place", check=11)


class TestItsFile:
    """A receipt is a file of its own: no line goes into another file, and no transfer replaces or sends it."""

    @pytest.mark.parametrize(
        "content",
        [
            b"a,b\n1,2\n",
            bytes(3000),
            b"\n",
            b"{}",
            b"[1]\n",
            b"\x89PNG\n",
            b'{"schema": 1, "time": "2026-01-01T00:00Z"}\n',
        ],
    )
    def test_another_file_gets_no_line(self, at_box, three, content):
        mine = at_box.cwd / "mine"
        mine.write_bytes(content)
        ended = at_box("get", f"{three}/b", "bb", "--receipt", "mine", check=2)
        assert ended.err.startswith("cta-data-direct: mine")
        assert ended.err.count("\n") == 1
        assert mine.read_bytes() == content
        assert not (at_box.cwd / "bb").exists()

    def test_a_link_a_device_and_a_file_of_others_get_no_line(self, at_box, three):
        at_box("get", f"{three}/b", "bb", "--receipt", "r.jsonl", check=0)
        before = (at_box.cwd / "r.jsonl").read_bytes()
        (at_box.cwd / "link").symlink_to("r.jsonl")
        os.mkfifo(at_box.cwd / "fifo")
        (at_box.cwd / "shared").mkdir()
        (at_box.cwd / "shared").chmod(0o1777)
        (at_box.cwd / "shared" / "r").symlink_to(at_box.cwd / "r.jsonl")
        if os.geteuid() == 0:
            os.chown(at_box.cwd / "shared" / "r", 65534, 65534, follow_symlinks=False)
        for name in ("link", "shared/r", "fifo", "/dev/null"):
            ended = at_box("get", f"{three}/a", "aa", "--receipt", name, check=2)
            assert ended.err == f"cta-data-direct: {name}: a receipt must be a regular file of your own\n"
        assert (at_box.cwd / "r.jsonl").read_bytes() == before
        assert not (at_box.cwd / "aa").exists()

    def test_a_group_cannot_write_a_new_one(self, at_box, three):
        assert at_box.start("get", f"{three}/b", "--receipt", "r.jsonl", umask=0o002).wait(60) == 0
        assert (at_box.cwd / "r.jsonl").stat().st_mode & 0o777 == 0o644

    @pytest.mark.parametrize("target", [["b"], ["./b"], []])
    def test_one_file_does_not_replace_it(self, at_box, three, target):
        ended = at_box("get", f"{three}/b", *target, "--receipt", "b", check=2)
        assert re.fullmatch("cta-data-direct: (./)?b: it is the receipt of this run .*\n", ended.err)
        assert list(at_box.cwd.iterdir()) == []

    def test_one_file_that_is_it_is_not_sent(self, at_box, box, place):
        (at_box.cwd / "r.jsonl").touch()
        ended = at_box("put", "r.jsonl", f"/{place}/r", "--receipt", "r.jsonl", check=2)
        assert "r.jsonl: it is the receipt of this run" in ended.err
        assert not box.files.exists(f"/{place}/r")

    @pytest.mark.parametrize("more", [(), ("--processes", "2")])
    def test_a_tree_does_not_replace_it(self, at_box, box, three, more):
        box.files.put(f"/{three}/r.jsonl", b"another file")
        for words in ("done", "skipped"):
            ended = at_box("get", "-r", f"{three}/", ".", "--receipt", "r.jsonl", *more, check=6)
            assert re.search(r"failed \S*r\.jsonl: it is the receipt of this run", ended.err)
            assert f"3 files {words}" in ended.err
        states = [row["state"] for row in map(json.loads, (at_box.cwd / "r.jsonl").read_text().splitlines())]
        assert sorted(states) == ["done"] * 3 + ["failed"] * 2 + ["skipped"] * 3

    def test_a_tree_does_not_skip_it_as_equal(self, at_box, box, three):
        at_box("get", f"{three}/a", "--receipt", "r.jsonl", check=0)
        box.files.put(f"/{three}/r.jsonl", (at_box.cwd / "r.jsonl").read_bytes())
        at_box("get", f"{three}/r.jsonl", "copy.jsonl", check=0)
        (at_box.cwd / "copy.jsonl").replace(at_box.cwd / "r.jsonl")  # with the time of the file on the storage
        ended = at_box("get", "-r", f"{three}/", ".", "--receipt", "r.jsonl", check=6)
        assert "r.jsonl: it is the receipt of this run" in ended.err

    @pytest.mark.parametrize("name", ["out/r.jsonl", "out/logs/r.jsonl"])
    def test_a_sync_does_not_delete_it(self, at_box, three, name):
        (at_box.cwd / "out" / "logs").mkdir(parents=True)
        words = ("sync", "--delete", "--yes", f":{three}", "out", "--receipt", name)
        assert f"{name}: --delete would delete the receipt of this run" in at_box(*words, check=2).err
        assert list((at_box.cwd / "out").iterdir()) == [at_box.cwd / "out" / "logs"]
        at_box(*words, "--exclude", "r.jsonl", check=0)
        assert len((at_box.cwd / name).read_text().splitlines()) >= 3

    @pytest.mark.parametrize("command", [("put", "-r", "t/"), ("sync", "t")])
    def test_a_tree_that_is_sent_is_sent_without_it(self, at_box, box, place, command):
        (at_box.cwd / "t").mkdir()
        (at_box.cwd / "t" / "a").write_bytes(b"a")
        (at_box.cwd / "t" / "latest").symlink_to("r.jsonl")
        at_box("mkdir", f"/{place}", check=0)
        target = f"/{place}/t" if command[0] == "put" else f":{place}/t"
        ended = at_box(*command, target, "--receipt", "t/r.jsonl", check=0)
        assert "passed over t/r.jsonl (it is the receipt of this run)\n" in ended.err
        assert "2 files passed over" in ended.err
        assert box.files.tree(f"/{place}/t") == [f"/{place}/t/a"]
        assert sorted(row["state"] for row in lines(at_box, "t/r.jsonl").values()) == ["done", "passed", "passed"]

    def test_a_list_that_names_it_is_a_failure(self, at_box, box, place):
        (at_box.cwd / "a").write_bytes(b"a")
        ended = at_box("put", "--files-from", "-", f"/{place}/", "--receipt", "r.jsonl", stdin=b"a\nr.jsonl\n", check=6)
        assert "r.jsonl: it is the receipt of this run" in ended.err
        assert box.files.tree(f"/{place}") == [f"/{place}/a"]


class TestVerify:
    @pytest.fixture
    def got(self, at_box, three):
        at_box("get", "-r", f"{three}/", "out", "--receipt", "r.jsonl", check=0)
        return at_box.cwd / "out"

    def test_all_right(self, at_box, got):
        for more in ([], ["--remote"]):
            ended = at_box("verify", "r.jsonl", *more, check=0)
            assert ended.err.startswith("cta-data-direct: 3 files verified (")

    def test_content_that_changed_here(self, at_box, got):
        (got / "a").write_bytes(b"CONTENT of a")
        ended = at_box("verify", "r.jsonl", check=6)
        assert re.search(r"failed \S*/out/a: the adler32 is [0-9a-f]{8} instead of", ended.err)
        (got / "b").unlink()
        (got / "sub" / "c").write_bytes(b"short")
        ended = at_box("verify", "r.jsonl")
        assert ended.code in (3, 7)
        assert "out/sub/c: the file has 5 bytes instead of 16" in ended.err
        assert "it is not there any more" in ended.err

    def test_content_that_changed_there(self, at_box, box, three, got):
        box.files.put(f"/{three}/a", b"CONTENT of a")
        box.files.remove(f"/{three}/b")
        assert at_box("verify", "r.jsonl", check=0)
        ended = at_box("verify", "--remote", "r.jsonl", check=6)
        assert "the adler32 is" in ended.err
        assert f"{three}/b" in ended.err
        rows = [json.loads(line) for line in at_box("verify", "--remote", "--json", "r.jsonl").out.splitlines()]
        assert sorted(row["state"] for row in rows) == ["done", "failed", "failed"]

    def test_what_failed_then_is_not_right_now(self, at_box, three, bad):
        at_box("get", "-r", f"{three}/", "out", "--receipt", "r.jsonl", check=6)
        assert "the run failed on it" in at_box("verify", "r.jsonl", check=6).err

    @pytest.mark.parametrize(
        ("text", "words"),
        [("\n", "r: this file is not a receipt"), ("hello\n", "r: this file is not a receipt"),
         ('{"schema": 2}\n', "r:1: a receipt of schema 2, and only 1 is known"),
         ('{"schema": "1"}\n', "r:1: this is not a line of a receipt: its schema is not a whole number"),
         ('{"schema": 1}\n', "r:1: this is not a line of a receipt: it has no action"),
         (
             '{"schema": 1, "action": "get", "profile": "p", "state": "done", "path": "a", "local": "a", "size": 1, '
             '"digest": "md5-of-parts/0:00"}\n',
             "r:1: this is not a line of a receipt: its digest has no size of the parts",
         ),
         ('["x"]\n', "r:1: this is not a line of a receipt: it is no JSON object"),
         ("null\n", "r:1: this is not a line of a receipt: it is no JSON object"),
         ('\n{"schema": 1, "action": "rm"}\n', "r:2: this is not a line of a receipt: no receipt has the action rm")],
    )  # fmt: skip
    def test_what_is_no_receipt(self, at_box, text, words):
        (at_box.cwd / "r").write_text(text)
        for command in (["verify"], ["put", "--retry-failed"], ["receipts", "summary"]):
            assert at_box(*command, "r", check=2).err == f"cta-data-direct: {words}\n"

    def test_that_of_a_task_without_files_has_no_files(self, at_box, three):
        at_box("get", "-r", f"{three}/", "out", "--include", "none", "--receipt", "r.jsonl", check=0)
        assert (at_box.cwd / "r.jsonl").read_bytes() == b""
        assert at_box("verify", "r.jsonl", check=0).err == "cta-data-direct: 0 files verified\n"
        assert at_box("receipts", "summary", "r.jsonl", check=0).out == "0 files\n"
        assert at_box("receipts", "merge", "r.jsonl", check=0).out == ""
        for action in ("get", "put"):
            assert "nothing to do" in at_box(action, "--retry-failed", "r.jsonl", check=0).err

    @pytest.mark.parametrize("digest", [None, "", "sha3:00"])
    def test_a_size_alone_is_not_called_verified(self, at_box, three, digest):
        at_box("get", "-r", f"{three}/", "out", "--receipt", "r.jsonl", check=0)
        rows = list(lines(at_box).values())
        for without in (1, 3):
            changed = [
                {**row, "digest": digest if number < without else row["digest"]} for number, row in enumerate(rows)
            ]
            (at_box.cwd / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in changed))
            of, words = ("1 file", "2 files verified") if without == 1 else ("3 files", "")
            ended = at_box("verify", "r.jsonl", check=0)
            assert f"of {of} only the size was compared: the receipt has no digest that is known here\n" in ended.err
            assert f"{of} of the right size (" in ended.err
            assert words in ended.err
            assert ("verified" in ended.err) == bool(words)
            sizes = [row["size"] for row in rows]
            assert f"({sum(sizes[1:]) if words else sum(sizes)} B in " in ended.err

    def test_no_such_receipt(self, at_box):
        assert "no such local file" in at_box("verify", "nothing", check=3).err

    def test_what_went_into_a_pipe_is_not_called_verified(self, at_box, three):
        at_box("get", f"{three}/a", "-", "--receipt", "r.jsonl", check=0)
        ended = at_box("verify", "--json", "r.jsonl", check=2)
        assert f"/{three}/a: it is not verified: it went to standard output (--remote" in ended.err
        assert ended.err.endswith("cta-data-direct: 1 file failed\n")
        assert [(row["state"], row["verified"]) for row in map(json.loads, ended.out.splitlines())] == [("failed", "")]
        at_box("verify", "--remote", "r.jsonl", check=0)
        assert "nothing to do" in at_box("get", "--retry-failed", "r.jsonl", check=0).err
        again = at_box("get", "--retry-failed", "r.jsonl", "--checksum", check=2)
        assert "it went to standard output, and cannot be transferred again" in again.err
        at_box("get", f"{three}/b", "b", "--receipt", "r.jsonl", check=0)
        ended = at_box("verify", "r.jsonl", check=6)
        assert re.search(r"1 file verified \(12 B in \d+ s\); 1 file failed", ended.err)

    @pytest.mark.parametrize("kind", ["broken", "cut off"])
    def test_a_line_that_cannot_be_read_counts(self, at_box, got, kind):
        receipt = at_box.cwd / "r.jsonl"
        first, *others = receipt.read_text().splitlines(keepends=True)
        receipt.write_text("".join(["{broken\n", *others] if kind == "broken" else [*others, first[:30]]))
        for command in (["verify"], ["-q", "verify", "--remote"], ["get", "--checksum", "--retry-failed"]):
            ended = at_box(*command, "r.jsonl", check=6)
            assert "r.jsonl: 1 line cannot be read, so its file is not known (repeat the command" in ended.err
        at_box("receipts", "summary", "r.jsonl", check=6)
        ended = at_box("get", "--retry-failed", "r.jsonl", check=2)  # nothing else was done
        assert "r.jsonl: 1 line cannot be read" in ended.err
        (at_box.cwd / "whole.jsonl").write_text(at_box("receipts", "merge", "r.jsonl", check=0).out)
        assert "2 files verified" in at_box("verify", "whole.jsonl", check=0).err


class TestMending:
    def test_what_is_damaged_here_is_fetched_anew(self, at_box, three):
        """Though size and time are those of before."""
        at_box("get", "-r", f"{three}/", "out", "--receipt", "r.jsonl", check=0)
        damaged = at_box.cwd / "out" / "b"
        before = damaged.stat()
        damaged.write_bytes(b"CONTENT of b")
        os.utime(damaged, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert "nothing to do" in at_box("get", "--retry-failed", "r.jsonl", check=0).err
        command = re.search("to transfer them again: (.*)", at_box("verify", "r.jsonl", check=6).err)[1]
        assert "1 file done" in at_box(*shlex.split(command)[1:], check=0).err
        assert damaged.read_bytes() == b"content of b"
        at_box("verify", "r.jsonl", check=0)

    def test_what_is_damaged_there_is_sent_anew(self, at_box, box):
        (at_box.cwd / "in").mkdir()
        (at_box.cwd / "in" / "a").write_bytes(b"content of a")
        (at_box.cwd / "in" / "b").write_bytes(b"content of b")
        at_box("put", "-r", "in", "home:", "--receipt", "r.jsonl", check=0)
        there = "/" + json.loads((at_box.cwd / "r.jsonl").read_text().splitlines()[0])["path"].rpartition("/")[0]
        box.files.put(f"{there}/a", b"CONTENT of a")
        command = re.search("to transfer them again: (.*)", at_box("verify", "--remote", "r.jsonl", check=6).err)[1]
        assert "1 file done" in at_box(*shlex.split(command)[1:], check=0).err
        at_box("verify", "--remote", "r.jsonl", check=0)

    def test_a_source_that_changed_is_nobodys_to_mend(self, at_box, three):
        at_box("get", "-r", f"{three}/", "out", "--receipt", "r.jsonl", check=0)
        at_box("rm", f"{three}/b", check=0)
        assert "anew" not in at_box("verify", "--remote", "r.jsonl", check=6).err


class TestAgain:
    def test_of_a_download(self, at_box, three, bad):
        first = at_box("get", "-r", f"{three}/", "out", "--receipt", "r.jsonl", check=6)
        command = re.search("to try again: (.*)", first.err)[1]
        assert command == "cta-data-direct get --retry-failed r.jsonl --receipt r.jsonl"
        (at_box.cwd / "out" / "a").unlink()
        bad.remove()
        again = at_box(*shlex.split(command)[1:], check=0)
        assert again.err.startswith("cta-data-direct: 2 files done")
        assert (at_box.cwd / "out" / "b").read_bytes() == b"content of b"
        at_box("verify", "r.jsonl", check=0)
        assert "nothing to do" in at_box(*shlex.split(command)[1:], check=0).err

    def test_without_a_receipt_it_is_the_same_command(self, at_box, three, bad):
        ended = at_box("get", "-r", f"{three}/", "with space", check=6)
        assert f"to try again: cta-data-direct get -r {three}/ 'with space'\n" in ended.err

    @pytest.mark.parametrize("words", [("--files-from", "-"), ("--files-from=-",)])
    def test_a_list_from_a_pipe_has_to_come_again(self, at_box, three, bad, words):
        ended = at_box("get", *words, f"{three}/", "out", stdin=b"a\nb\n", check=6)
        assert ended.err.splitlines()[-2].endswith(f" {three}/ out (with the same list on standard input)")

    def test_a_collection_that_could_not_be_listed(self, at_box, box, three):
        rule = box.faults.add("door", "PROPFIND", f"/{three}/sub/", faults.Status(403, "Forbidden"))
        at_box("get", "-r", f"{three}/", "out", "--receipt", "r.jsonl", check=6)
        rule.remove()
        at_box("get", "--retry-failed", "r.jsonl", check=0)
        assert (at_box.cwd / "out" / "sub" / "c").read_bytes() == b"content of sub/c"

    def test_what_a_needed_login_left_untried(self, at_box, box, three):
        rule = box.faults.add("door", "GET", f"/{three}/a", faults.Status(401, "Unauthorized"))
        first = at_box("get", "-r", "-j", "1", f"{three}/", "out", "--receipt", "r.jsonl")
        rule.remove()
        command = re.search("to try again: (.*)", first.err)[1]
        at_box(*shlex.split(command)[1:], check=0)
        assert sorted(path.name for path in (at_box.cwd / "out").rglob("*")) == ["a", "b", "c", "sub"]
        at_box("verify", "r.jsonl", check=0)

    def test_a_directory_that_failed_is_right_after_another_try(self, at_box, box, three):
        rule = box.faults.add("door", "PROPFIND", f"/{three}/sub*", faults.Status(403, "Forbidden"))
        at_box("get", "-r", f"{three}/", "out", "--receipt", "r.jsonl", check=6)
        assert lines(at_box)["sub"]["state"] == "failed"
        at_box("get", "--retry-failed", "r.jsonl", "--receipt", "r.jsonl", check=4)
        assert f"{three}/sub: the run failed on it" in at_box("verify", "r.jsonl", check=6).err
        rule.remove()
        at_box("get", "--retry-failed", "r.jsonl", "--receipt", "r.jsonl", check=0)
        assert "3 files verified" in at_box("verify", "r.jsonl", check=0).err
        assert "nothing to do" in at_box("get", "--retry-failed", "r.jsonl", check=0).err

    def test_a_directory_whose_upload_failed_is_right_after_another_try(self, at_box, box, place):
        (at_box.cwd / "d" / "sub").mkdir(parents=True)
        (at_box.cwd / "d" / "sub" / "c").write_bytes(b"c")
        rule = box.faults.add("door", "MKCOL", f"/{place}/d/sub*", faults.Status(403, "Forbidden"))
        at_box("put", "-r", "d", f"/{place}/", "--receipt", "r.jsonl")
        assert lines(at_box)["sub"]["state"] == "failed"
        rule.remove()
        at_box("put", "--retry-failed", "r.jsonl", "--receipt", "r.jsonl", check=0)
        assert "1 file verified" in at_box("verify", "--remote", "r.jsonl", check=0).err
        assert box.files.read(f"/{place}/d/sub/c") == b"c"

    def test_uploads_that_a_needed_login_left_untried(self, at_box, box, place):
        names = [f"{number % 3}/{number:02}" for number in range(30)]
        for name in names:
            (at_box.cwd / "d" / name).parent.mkdir(parents=True, exist_ok=True)
            (at_box.cwd / "d" / name).write_bytes(name.encode())
        (at_box.cwd / "list").write_text("".join(f"{name}\n" for name in sorted(names)))
        rule = box.faults.add("door", "PUT", f"/{place}/*", faults.Status(401, "Unauthorized"))
        first = at_box("put", "--files-from", "list", "d", f"/{place}/", "-j", "1", "--receipt", "r.jsonl", check=4)
        rule.remove()
        assert {row["state"] for row in lines(at_box).values()} == {"failed"}
        assert sorted(row["path"] for row in lines(at_box).values()) == sorted(f"{place}/{name}" for name in names)
        assert "it was not tried: the server does not accept the login" in first.err
        at_box("put", "--retry-failed", "r.jsonl", "--receipt", "r.jsonl", check=0)
        assert {name: box.files.read(f"/{place}/{name}") for name in names} == {name: name.encode() for name in names}

    def test_never_through_a_link_that_came_meanwhile(self, at_box, box, three):
        rule = box.faults.add("door", "GET", f"/{three}/sub/c", faults.Status(403, "Forbidden"))
        at_box("get", "-r", f"{three}/", "out", "--receipt", "r.jsonl", check=6)
        rule.remove()
        (at_box.cwd / "elsewhere").mkdir()
        (at_box.cwd / "out" / "sub").rmdir()
        (at_box.cwd / "out" / "sub").symlink_to(at_box.cwd / "elsewhere")
        assert at_box("get", "--retry-failed", "r.jsonl", check=11)
        assert list((at_box.cwd / "elsewhere").iterdir()) == []

    def test_into_a_folder_that_is_a_link_of_ones_own(self, at_box, three, bad):
        (at_box.cwd / "real").mkdir()
        (at_box.cwd / "out").symlink_to("real")
        at_box("get", "-r", f"{three}/", "out", "--receipt", "r.jsonl", check=6)
        bad.remove()
        at_box("get", "--retry-failed", "r.jsonl", check=0)
        assert (at_box.cwd / "real" / "b").exists()

    def test_of_an_upload_that_failed(self, at_box, box, place):
        for name in ("a", "b", "sub/c"):
            (at_box.cwd / "d" / name).parent.mkdir(parents=True, exist_ok=True)
            (at_box.cwd / "d" / name).write_bytes(name.encode())
        rule = box.faults.add("door", "PUT", f"/{place}/*", faults.Status(403, "Forbidden"))
        at_box("put", "-r", "d/", f"/{place}", "--receipt", "r.jsonl", "-j", "1")
        rule.remove()
        at_box("put", "--retry-failed", "r.jsonl", "--receipt", "r.jsonl", check=0)
        box.files.remove(f"/{place}/a")
        assert "1 file done" in at_box("put", "--retry-failed", "r.jsonl", check=0).err
        assert [n for n in box.files.tree(f"/{place}") if not n.endswith("/")] == [
            f"/{place}/{name}" for name in ("a", "b", "sub/c")
        ]

    def test_uploads_from_elsewhere_of_which_none_failed(self, at_box, box, place, tmp_path):
        (tmp_path / "data").mkdir()
        for name in ("a", "b"):
            (tmp_path / "data" / name).write_bytes(name.encode())
        at_box("put", "-r", f"{tmp_path}/data/", f"/{place}/", "--receipt", "p.1.jsonl", check=0)
        again = at_box("put", "--retry-failed", "p.*.jsonl", check=0)
        assert "2 files that had not failed lie outside of the directory" in again.err
        assert again.err.endswith("nothing to do: no files to move\n")
        assert "outside of the directory" in at_box("put", "--retry-failed", "p.1.jsonl", "--checksum", check=2).err

    def test_the_other_direction_is_refused(self, at_box, three):
        at_box("get", f"{three}/a", "--receipt", "r.jsonl", check=0)
        assert "get --retry-failed" in at_box("put", "--retry-failed", "r.jsonl", check=2).err
        assert "from the receipt" in at_box("get", "x", "--retry-failed", "r.jsonl", check=2).err


class TestPipes:
    def test_out(self, at_box, three):
        assert at_box("get", f"{three}/a", f"{three}/b", "-", check=0).out == "content of acontent of b"
        assert at_box("get", f"{three}/a", "-", "--json", check=2)

    def test_a_wrong_byte_is_7(self, at_box, box, three):
        rule = box.faults.add("pool", "GET", "*", faults.Flip(at=0))
        ended = at_box("get", f"{three}/a", "-")
        rule.remove()
        assert ended.code == 7
        assert "do not use what was written" in ended.err

    def test_a_reader_that_has_enough(self, at_box, box, three):
        box.files.put(f"/{three}/big", bytes(3_000_000))
        process = at_box.start("get", f"{three}/big", "-")
        process.stdout.buffer.read(10)
        process.stdout.close()
        assert process.wait(60) in (0, 141)
        assert "fault" not in process.stderr.read()

    def test_in(self, at_box, box, place):
        (at_box.cwd / "-").write_bytes(b"another file")
        at_box("put", "-", f"/{place}/name", "--receipt", "r.jsonl", stdin=b"from a pipe", check=0)
        assert box.files.read(f"/{place}/name") == b"from a pipe"
        assert lines(at_box)["name"]["local"] is None
        for more in ([], ["--checksum"]):
            ended = at_box("put", "--retry-failed", "r.jsonl", *more, check=2)
            assert f"/{place}/name: it came from standard input, and cannot be transferred again (verify" in ended.err
            assert "1 file failed" in ended.err
        assert box.files.read(f"/{place}/name") == b"from a pipe"
        at_box("verify", "--remote", "r.jsonl", check=0)
        assert "it is not verified: it came from standard input" in at_box("verify", "r.jsonl", check=2).err
        assert "has no file name" in at_box("put", "-", f"/{place}/", stdin=b"x", check=2).err

    def test_without_room_to_keep_it(self, at_box, place):
        ended = at_box("put", "-", f"/{place}/name", stdin=b"x", env={"TMPDIR": "/proc"})
        assert ended.code in (0, 11)  # Python may know another place

    def test_lists(self, at_box, box, three):
        listed = at_box("list", "-r", three, "--include", "*", check=0).out
        files = "".join(line + "\n" for line in listed.splitlines() if not line.endswith("/"))
        at_box("get", "--files-from", "-", "out", stdin=files.encode(), check=0)
        assert (at_box.cwd / "out" / three / "sub" / "c").exists()
        nul = at_box("list", "-r0", three, "--exclude", "sub", check=0).out
        assert sorted(nul.split("\0")) == ["", f"{three}/a", f"{three}/b"]
        at_box("get", "-0", "--files-from", "-", "out0", stdin=nul.encode(), check=0)
        (at_box.cwd / "list").write_text("a\n\nsub/c\n")
        at_box("get", "--files-from", "list", three, "based", check=0)
        assert sorted(p.name for p in (at_box.cwd / "based").rglob("*")) == ["a", "c", "sub"]
        assert "cannot be read" in at_box("get", "--files-from", "nothing", "out", check=2).err

    def test_nothing_matched_is_9(self, at_box, three):
        assert at_box("get", f"{three}/*.nothing", "out", check=9)
        assert at_box("list", f"{three}/*.nothing", check=9)
        assert at_box("list", f"{three}/?", check=0).out == f"{three}/a\n{three}/b\n"


def test_the_end_of_a_run_counts_what_an_earlier_one_had_fetched_apart():
    summary = Summary(done=1, size=3 << 20, resumed=1 << 20)
    assert summary_counts(summary, 2.0) == ["1 file done (3.0 MiB, 1.0 MiB already here, in 2 s, 1.0 MiB/s)"]


class TestConfinement:
    """A receipt may come from anybody: what it names outside of the directories given is not touched."""

    def retry(self, at_box, action, rows, *folders, check=None):
        common = {"schema": 1, "action": action, "profile": "sandbox", "state": "failed", "size": 1, "digest": ""}
        lines = [json.dumps({**common, "etag": None, "error": "x", **row}) + "\n" for row in rows]
        (at_box.cwd / "r.jsonl").write_text("".join(lines))
        (at_box.cwd / "r.jsonl").chmod(0o644)
        return at_box(action, "--retry-failed", "r.jsonl", *folders, check=check)

    def test_nothing_outside_goes_up(self, at_box, box, place, tmp_path):
        secret = tmp_path / "id_test"
        secret.write_bytes(b"secret")
        (at_box.cwd / "own").write_bytes(b"own")
        (at_box.cwd / "link").symlink_to(secret)
        outside = [str(secret), str(at_box.cwd / "link"), f"{at_box.cwd}/../id_test", "../id_test", str(tmp_path)]
        rows = [{"path": f"{place}/{number}", "local": local} for number, local in enumerate(outside)]
        ended = self.retry(at_box, "put", [{"path": f"{place}/own", "local": str(at_box.cwd / "own")}, *rows], check=6)
        assert box.files.read(f"/{place}/own") == b"own"
        assert ended.err.count("outside of the directory") == len(outside)
        assert str(secret) in ended.err
        assert not any(box.files.exists(f"/{place}/{number}") for number in range(len(outside)))

    def test_what_a_directory_on_the_command_line_holds_does(self, at_box, box, place, tmp_path):
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "a").write_bytes(b"a")
        rows = [{"path": f"{place}/a", "local": str(tmp_path / "data" / "a")}]
        ended = self.retry(at_box, "put", rows, check=2)
        assert f"name its directory after the receipt: {tmp_path}/data" in ended.err
        self.retry(at_box, "put", rows, str(tmp_path / "data"), check=0)
        assert box.files.read(f"/{place}/a") == b"a"
        (at_box.cwd / "b").write_bytes(b"b")
        here = [{"path": f"{place}/b", "local": str(at_box.cwd / "b")}]
        self.retry(at_box, "put", here, str(tmp_path / "data"), check=2)

    def test_nothing_outside_comes_down(self, at_box, three, tmp_path):
        (at_box.cwd / "away").symlink_to(tmp_path)
        outside = [str(tmp_path / "a"), f"{at_box.cwd}/../a", f"{at_box.cwd}/away/a", "../a", f"{at_box.cwd}"]
        rows = [{"path": f"{three}/a", "local": local} for local in outside]
        ended = self.retry(at_box, "get", [{"path": f"{three}/b", "local": str(at_box.cwd / "new/b")}, *rows], check=6)
        assert (at_box.cwd / "new" / "b").read_bytes() == b"content of b"
        assert ended.err.count("outside of the directory") == len(outside)
        assert not (tmp_path / "a").exists()
        self.retry(at_box, "get", rows[:1], str(tmp_path), check=0)
        assert (tmp_path / "a").read_bytes() == b"content of a"

    def test_a_file_is_no_directory(self, at_box, three):
        (at_box.cwd / "file").write_bytes(b"")
        ended = self.retry(at_box, "get", [{"path": f"{three}/a", "local": "a"}], "file", check=2)
        assert "existing local directories" in ended.err

    def test_the_words_for_the_next_try_name_it(self, at_box, three, bad, tmp_path):
        ended = at_box("get", "-r", f"{three}/", str(tmp_path / "far"), "--receipt", "r.jsonl", check=6)
        command = re.search("to try again: cta-data-direct (.*)", ended.err)[1]
        bad.remove()
        at_box(*shlex.split(command), check=0)
        assert (tmp_path / "far" / "b").exists()
        assert at_box("get", "--retry-failed", "r.jsonl", check=0)

    def test_one_that_everybody_can_write_is_refused(self, at_box, three):
        self.retry(at_box, "get", [{"path": f"{three}/a", "local": "a"}], check=0)
        (at_box.cwd / "r.jsonl").chmod(0o666)
        for command in (["get", "--retry-failed"], ["verify"]):
            assert "chmod o-w r.jsonl" in at_box(*command, "r.jsonl", check=2).err

    # only root can give a file to another user; tests/test_permissions.py has the rule for owners
    @pytest.fixture(params=["group", "owner"] if os.geteuid() == 0 else ["group"])
    def shared(self, request, at_box, place):
        """A directory for all, with a receipt of the user and one that another user may have written."""
        (at_box.cwd / "private").write_bytes(b"private")
        (at_box.cwd / "sh").mkdir()
        (at_box.cwd / "sh").chmod(0o1777)
        self.retry(at_box, "put", [{"path": f"{place}/public", "local": str(at_box.cwd / "private")}], "-n")
        foreign = (at_box.cwd / "r.jsonl").rename(at_box.cwd / "sh" / "r.9.jsonl")
        (at_box.cwd / "sh" / "r.1.jsonl").touch(0o600)
        if request.param == "group":
            foreign.chmod(0o664)
        else:
            os.chown(foreign, 65534, 65534)
        return foreign

    @pytest.mark.parametrize(
        "command", [("put", "--retry-failed"), ("verify", "--remote"), ("receipts", "summary"), ("receipts", "merge")]
    )
    def test_one_of_others_that_only_a_pattern_found_is_refused(self, at_box, box, place, shared, command):
        ended = at_box(*command, "sh/r.*.jsonl", check=2)
        assert re.search(r"sh/r\.9\.jsonl: it(s group| belongs).*, or name it without a pattern\)\n$", ended.err)
        assert ended.out == ""
        assert not box.files.exists(f"/{place}/public")

    def test_one_of_others_counts_if_it_is_named_and_v_says_so(self, at_box, box, place, shared):
        ended = at_box("-v", "put", "--retry-failed", "sh/r.9.jsonl", "--retry-failed", "sh/r.*.jsonl", check=0)
        assert re.search(r"sh/r\.9\.jsonl: it.*; it is used because it was named\n", ended.err)
        assert box.files.read(f"/{place}/public") == b"private"


class TestSeveral:
    @pytest.fixture
    def four(self, at_box, box, place):
        """The receipts of four tasks, of which the file `b` failed."""
        for i in range(12):
            box.files.put(f"/{place}/{i:02}", bytes(i))
        rule = box.faults.add("door", "GET", f"/{place}/05", faults.Status(403, "No soup for you"))
        codes = [
            at_box("get", "-r", f"{place}/", "out", "--shard", f"{i}/4", "--receipt", "r.{shard}.jsonl").code
            for i in range(4)
        ]
        rule.remove()
        assert sorted(code != 0 for code in codes) == [False, False, False, True]
        return place

    def test_merge_writes_one_line_for_each_file(self, at_box, four):
        with (at_box.cwd / "r.2.jsonl").open("a") as file:
            file.write('{"schema": 1, "pa')  # as a killed run leaves it
        merged = at_box("receipts", "merge", "r.*.jsonl", check=0)
        assert sorted(json.loads(line)["path"] for line in merged.out.splitlines()) == [
            f"{four}/{i:02}" for i in range(12)
        ]
        assert merged.err == "cta-data-direct: 1 incomplete line is left out: killed runs end so\n"
        (at_box.cwd / "all.jsonl").write_text(merged.out)
        at_box("get", "--retry-failed", "all.jsonl", "--receipt", "again.jsonl", check=0)
        again = at_box("receipts", "merge", "again.jsonl", "r.*.jsonl", check=0)
        assert {json.loads(line)["state"] for line in again.out.splitlines()} == {"done"}  # the newest line counts

    def test_a_pattern_names_them_for_verify_and_for_another_try(self, at_box, four):
        assert "12 files" not in at_box("verify", "r.*.jsonl", check=6).err
        retried = at_box("get", "--retry-failed", "r.*.jsonl", "--receipt", "r.again.jsonl", check=0)
        assert retried.err.startswith("cta-data-direct: 1 file done")
        assert "12 files verified" in at_box("verify", "r.0.jsonl", "r.[123a]*.jsonl", check=0).err
        assert "no file matches" in at_box("verify", "s.*.jsonl", check=2).err

    def test_a_summary_adds_up(self, at_box, four):
        sums = json.loads(at_box("receipts", "summary", "--json", "r.*.jsonl", check=0).out)
        assert (sums["files"]["done"], sums["files"]["failed"], sums["size"]) == (11, 1, sum(range(12)) - 5)
        [(reason, count)] = sums["failed"].items()
        assert (count, "No soup for you" in reason, four in reason) == (1, True, False)
        assert len(sums["slowest"]) == 5
        assert sums["seconds"] > 0
        assert sums["rate"] > 0
        text = at_box("receipts", "summary", "r.*.jsonl", check=0).out
        assert text.splitlines()[0] == "done      11 files, 61 B"
        assert "failed    1 file\n" in text

    def test_tasks_without_files_and_receipts_of_earlier_versions_count(self, at_box, four):
        (at_box.cwd / "r.9.jsonl").touch()
        old = json.loads((at_box.cwd / "r.0.jsonl").read_text().splitlines()[0])
        del old["ended"]
        (at_box.cwd / "old.jsonl").write_text(json.dumps(old) + "\n")
        assert len(at_box("receipts", "merge", "old.jsonl", "r.?.jsonl", check=0).out.splitlines()) == 12
        assert "time" not in at_box("receipts", "summary", "old.jsonl", check=0).out
        assert at_box("receipts", "merge", "r.9.jsonl", check=0).out == ""

    def test_a_summary_says_what_it_leaves_out_and_refuses_a_file_that_is_no_receipt(self, at_box, four):
        (at_box.cwd / "torn.jsonl").write_text('{"schema": 1, "pa\n\0\0\0\n')
        told = at_box("receipts", "summary", "r.*.jsonl", "torn.jsonl", check=6)
        assert re.fullmatch("cta-data-direct: torn.jsonl: 2 lines cannot be read, so their files .*\n", told.err)
        assert told.out == at_box("receipts", "summary", "r.*.jsonl", check=0).out
        (at_box.cwd / "notes.txt").write_text("nothing of a receipt\n")
        refused = at_box("receipts", "summary", "r.*.jsonl", "notes.txt", check=2)
        assert refused.err == "cta-data-direct: notes.txt: this file is not a receipt\n"
        assert refused.out == ""


class TestPlots:
    def test_a_file_counts_where_it_moved_and_where_it_ended(self):
        def record(state, ended, seconds, size=0, error="", retries=0):
            path, local = RemotePath(("a",)), None
            return Record("get", "p", state, path, local, size, "", None, error, "", None, "", seconds, ended, retries)

        moved = record(State.DONE, 110.0, 5.0, size=500, retries=2)
        failed = record(State.FAILED, 102.0, 2.0, error="no")
        line = read_timeline([moved, failed], intervals=10)
        assert (line.began, line.step) == (100.0, 1.0)
        assert line.rates == pytest.approx([0, 0, 0, 0, 0, 100, 100, 100, 100, 100])
        assert (line.failures[2], sum(line.failures)) == (1, 1)
        assert line.retries[9] == 2

    @pytest.mark.full("plot")
    def test_a_picture_is_drawn(self, at_box, three, bad):
        at_box("get", "-r", f"{three}/", "out", "--receipt", "r.jsonl", check=6)
        at_box("receipts", "summary", "--plot", "r.svg", "r.jsonl", check=0)
        assert "1 failures" in (at_box.cwd / "r.svg").read_text()
        at_box("receipts", "summary", "--plot", "r.png", "r.jsonl", check=0)
        assert (at_box.cwd / "r.png").read_bytes().startswith(b"\x89PNG")
        assert "an .svg or a .png" in at_box("receipts", "summary", "--plot", "r.pdf", "r.jsonl", check=2).err


@pytest.mark.parametrize(
    "words", [("get", "lst/a"), ("put", "a", "b"), ("sync", "lst/a", "out"), ("copy", "lst/a", "lst/b")]
)
def test_a_receipt_is_no_pipe(at_box, words):
    assert "--receipt takes a file" in at_box(*words, "--receipt", "-", check=2).err
    assert not (at_box.cwd / "-").exists()
