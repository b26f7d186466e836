"""Special files, and names that are not UTF-8: on stderr, also with `-q`, in the receipt, and in the exit code."""

import json
import os
import socket
from pathlib import Path

import pytest

from ctadata import direct
from ctadata.errors import LocalError, NotFound, PartialFailure

ODD = os.fsdecode(b"odd \xff")
REASONS = {
    "nowhere": "a link that leads nowhere",
    "round": "a link that leads nowhere",
    "beyond": "a link that leads nowhere",
    "linked": "a link to a directory, which -L follows",
    "fifo": "a FIFO, not a regular file",
    "socket": "a socket, not a regular file",
    ODD: "its name is not UTF-8",
}
CODES = {name: 3 if "nowhere" in why else 11 for name, why in REASONS.items()}


def make(folder, name):
    """Make a special file, or a file or directory with a name that is not UTF-8."""
    match name:
        case "nowhere":
            (folder / name).symlink_to("missing")
        case "round":
            (folder / name).symlink_to(name)
        case "beyond":
            (folder / name).symlink_to("plain/below")  # below what is a file
        case "linked":
            (folder.parent / "elsewhere").mkdir(exist_ok=True)
            (folder.parent / "elsewhere" / "below").write_text("below")
            (folder / name).symlink_to("../elsewhere")
        case "fifo":
            os.mkfifo(folder / name)
        case "socket":
            here = os.open(".", os.O_RDONLY)
            os.chdir(folder)  # the path of a socket is short
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(name)
            os.fchdir(here)
            os.close(here)
        case _:
            (folder / name).write_text("bytes")


@pytest.fixture
def tree(at_box):
    """A tree with one plain file."""
    folder = at_box.cwd / "tree"
    folder.mkdir()
    (folder / "plain").write_text("plain")
    return folder


@pytest.fixture
def odd_tree(tree):
    for name in REASONS:
        make(tree, name)
    return tree


def there(box, place):
    """Return the paths on the storage below the directory of a test."""
    return sorted(name.removeprefix(f"/{place}/") for name in box.files.tree(f"/{place}"))


def shown(name):
    return name.replace("\udcff", "\\udcff")


class TestTrees:
    @pytest.mark.parametrize("quiet", [(), ("-q",)])
    def test_each_is_named_and_the_rest_goes(self, at_box, box, place, odd_tree, quiet):
        ended = at_box(*quiet, "put", "-r", "tree/", f"/{place}", "--receipt", "r", check=6)
        lines = ended.err.splitlines()
        expected = {f"passed over tree/{shown(name)} ({why})" for name, why in REASONS.items()}
        assert set(lines[: len(REASONS)]) == expected
        assert bool(quiet) == (len(lines) == len(REASONS))
        assert there(box, place) == ["plain"]
        lines = [json.loads(line) for line in (at_box.cwd / "r").read_text().splitlines()]
        records = {line["path"]: line for line in lines}
        for name, why in REASONS.items():
            record = records[f"{place}/{name}"]
            assert (record["state"], record["why"], record["exit_code"]) == ("passed", why, CODES[name])
            assert record["local"] == str(odd_tree / name)
            assert why in record["error"]

    @pytest.mark.parametrize("name", ["nowhere", "fifo", "linked", ODD])
    def test_where_nothing_else_was_to_do_the_code_is_the_first_reasons(self, at_box, box, place, tree, name):
        (tree / "plain").unlink()
        make(tree, name)
        ended = at_box("put", "-r", "tree/", f"/{place}", "--receipt", "r", check=CODES[name])
        assert f"passed over tree/{shown(name)} ({REASONS[name]})" in ended.err
        at_box("verify", "--remote", "r", check=CODES[name])

    def test_a_directory_whose_name_is_not_utf8_is_one(self, at_box, box, place, tree):
        (tree / ODD).mkdir()
        (tree / ODD / "below").write_text("x")
        assert "its name is not UTF-8" in at_box("put", "-r", "tree/", f"/{place}", check=6).err
        assert there(box, place) == ["plain"]
        ended = at_box("put", "-r", f"tree/{ODD}", f"/{place}", check=11)
        assert f"passed over tree/{shown(ODD)} (its name is not UTF-8)" in ended.err
        at_box("put", "-r", f"tree/{ODD}/", f"/{place}/named", check=0)
        assert box.files.read(f"/{place}/named/below") == b"x"

    def test_skip_special_passes_over_them_with_one_line(self, at_box, box, place, odd_tree):
        (odd_tree / ODD).unlink()
        ended = at_box("put", "-r", "--skip-special", "tree/", f"/{place}", "--receipt", "r", check=0)
        [line] = [line for line in ended.err.splitlines() if "passed over" in line and "done" not in line]
        whys = "; ".join(sorted(set(REASONS.values()) - {REASONS[ODD]}))
        assert line == f"passed over 6 files ({whys}): tree/beyond, tree/fifo, tree/linked and 3 more"
        records = [json.loads(line) for line in (at_box.cwd / "r").read_text().splitlines()]
        assert sum(record["state"] == "passed" and record["error"] is None for record in records) == 6
        at_box("verify", "r", "--remote", check=0)
        assert at_box("-q", "put", "-r", "--skip-special", "tree/", f"/{place}", check=0).err == ""

    def test_skip_special_skips_no_file_for_its_name(self, at_box, place, odd_tree):
        ended = at_box("-q", "put", "-r", "--skip-special", "tree/", f"/{place}", check=6)
        assert ended.err == f"passed over tree/{shown(ODD)} (its name is not UTF-8)\n"

    def test_excluded_special_files_are_not_named(self, at_box, place, odd_tree):
        (odd_tree / "linked").unlink()  # what lies behind it may be meant
        assert "passed over" not in at_box("put", "-r", "--include", "pl*", "tree/", f"/{place}", check=0).err

    def test_a_dry_run_names_them_too(self, at_box, box, place, odd_tree):
        ended = at_box("put", "-n", "-r", "tree/", f"/{place}", check=6)
        assert ended.out.count("passed over tree/") == len(REASONS)
        assert not box.files.exists(f"/{place}/plain")

    def test_a_link_to_a_directory_is_followed_on_demand(self, at_box, box, place, tree):
        make(tree, "linked")
        assert at_box("-q", "put", "-r", "-L", "tree/", f"/{place}", check=0).err == ""
        assert there(box, place) == ["linked/", "linked/below", "plain"]

    def test_a_link_loop_is_named_and_counts(self, at_box, box, place, tree):
        (tree / "round").symlink_to(".")
        ended = at_box("-q", "put", "-r", "-L", "tree/", f"/{place}", check=6)
        assert ended.err == "passed over tree/round (a link that leads round in a circle)\n"
        at_box("put", "-r", "-L", "--skip-special", "tree/", f"/{place}", check=0)
        assert there(box, place) == ["plain"]

    def test_a_link_to_a_directory_that_is_named_is_that_directory(self, at_box, box, place, tree):
        make(tree, "linked")
        at_box("put", "-r", "tree/linked", f"/{place}/", check=0)
        assert there(box, place) == ["linked/", "linked/below"]

    def test_a_link_to_a_directory_that_is_left_out_does_not_count(self, at_box, place, tree):
        make(tree, "linked")
        assert at_box("-q", "put", "-r", "--exclude", "linked", "tree/", f"/{place}", check=0).err == ""

    def test_a_link_that_may_not_be_followed_is_a_failure(self, at_box, place, tree):
        if os.geteuid() == 0:
            pytest.skip("root may follow it")
        (at_box.cwd / "closed").mkdir()
        (at_box.cwd / "closed" / "f").write_text("x")
        (tree / "link").symlink_to("../closed/f")
        (at_box.cwd / "closed").chmod(0)
        ended = at_box("put", "-r", "--skip-special", "tree/", f"/{place}", check=6)
        assert "failed" in ended.err
        assert "Permission denied" in ended.err

    def test_many_of_one_reason_are_one_line(self, at_box, place, tree):
        for number in range(50):
            (tree / f"link{number:02}").symlink_to("missing")
        ended = at_box("-q", "put", "-r", "tree/", f"/{place}", check=6)
        assert ended.err == (
            "passed over 50 files (a link that leads nowhere): tree/link00, tree/link01, tree/link02 and 47 more\n"
        )


class TestNamed:
    @pytest.mark.parametrize("name", ["nowhere", "fifo", ODD])
    def test_a_named_special_file_is_treated_as_in_a_tree(self, at_box, box, place, tree, name):
        make(tree, name)
        line = f"passed over tree/{shown(name)} ({REASONS[name]})\n"
        box.files.mkdir(f"/{place}")
        assert at_box("-q", "put", f"tree/{name}", f"/{place}/", check=CODES[name]).err == line
        assert at_box("-q", "put", f"tree/{name}", "tree/plain", f"/{place}/", check=6).err == line
        assert there(box, place) == ["plain"]

    def test_listed_special_files_are_treated_as_in_a_tree(self, at_box, box, place, odd_tree):
        (at_box.cwd / "list").write_bytes(b"".join(os.fsencode(f"{name}\n") for name in ("plain", *REASONS)))
        ended = at_box("-q", "put", "--files-from", "list", "tree", f"/{place}/", check=6)
        expected = {f"passed over tree/{shown(name)} ({why})" for name, why in REASONS.items()}
        assert set(ended.err.splitlines()) == expected
        assert there(box, place) == ["plain"]

    def test_skip_special_counts_for_one_too(self, at_box, place, tree):
        name = "fifo"
        make(tree, name)
        ended = at_box("put", "--skip-special", f"tree/{name}", f"/{place}/", check=0)
        assert f"passed over 1 file ({REASONS[name]}): tree/{name}\n" in ended.err

    def test_a_file_may_get_a_name_that_is_utf8(self, at_box, box, place, tree):
        make(tree, ODD)
        at_box("put", f"tree/{ODD}", f"/{place}/even", check=0)
        assert box.files.read(f"/{place}/even") == b"bytes"

    def test_a_name_that_is_not_there_is_a_mistake_before_anything_moves(self, at_box, box, place, tree):
        assert "no such local file" in at_box("put", "tree/plain", "tree/missing", f"/{place}/", check=3).err
        assert "no such local directory" in at_box("sync", "tree/missing", f":{place}", check=3).err
        make(tree, "nowhere")
        assert "no such local directory" in at_box("sync", "tree/nowhere", f":{place}", check=3).err
        assert not box.files.exists(f"/{place}")


class TestTargets:
    """A wrong name in the arguments is a usage error, also if the file itself has that name."""

    @pytest.mark.parametrize(
        "arguments",
        [
            ["put", "plain", "/PLACE/ODD"],
            ["put", "ODD", "/PLACE/ODD"],
            ["put", "plain", "/PLACE/ODD/"],
            ["put", "plain", "/PLACE/ODD/even"],
            ["put", "-r", ".", "/PLACE/ODD"],
            ["put", "-n", "plain", "/PLACE/ODD"],
            ["put", "-", "/PLACE/ODD"],
            ["sync", ".", ":/PLACE/ODD"],
            ["copy", ":/PLACE/there", ":/PLACE/ODD"],
            ["mv", "/PLACE/there", "/PLACE/ODD"],
            ["mkdir", "-p", "/PLACE/ODD"],
        ],
    )
    def test_one_that_is_not_utf8_is_refused_before_anything_is_done(self, at_box, box, place, tree, arguments):
        make(tree, ODD)
        box.files.put(f"/{place}/there", b"there")
        at_box.cwd = tree
        ended = at_box(*(word.replace("PLACE", place).replace("ODD", ODD) for word in arguments), check=2)
        assert f"/{place}/{shown(ODD)}" in ended.err
        assert "the new name is not UTF-8" in ended.err
        assert there(box, place) == ["there"]


class TestSync:
    def test_special_files_protect_only_remote_names_like_theirs(self, at_box, box, place, odd_tree):
        for name in ("nowhere", "fifo", "socket/deep/f", "gone", "old/f", "linked/f"):
            box.files.put(f"/{place}/{name}", b"there")
        ended = at_box("sync", "--delete", "--yes", "tree", f":{place}", check=6)
        assert "passed over tree/fifo" in ended.err
        kept = ["fifo", "linked/", "linked/f", "nowhere", "plain", "socket/", "socket/deep/", "socket/deep/f"]
        assert there(box, place) == kept

    def test_with_skip_special_a_sync_is_whole(self, at_box, box, place, tree):
        make(tree, "nowhere")
        box.files.put(f"/{place}/gone", b"there")
        at_box("sync", "--delete", "--yes", "--skip-special", "tree", f":{place}", check=0)
        assert there(box, place) == ["plain"]


class TestReceipts:
    def test_a_check_of_the_receipt_says_what_was_not_done(self, at_box, place, odd_tree):
        at_box("put", "-r", "tree/", f"/{place}", "--receipt", "r", check=6)
        for quiet in ((), ("-q",)):
            ended = at_box(*quiet, "verify", "--remote", "r", check=6)
            for name, why in REASONS.items():
                assert f"passed over {odd_tree / shown(name)} ({why})" in ended.err
        assert "skip-special" not in ended.err

    def test_it_is_tried_again(self, at_box, box, place, tree):
        make(tree, "nowhere")
        at_box("put", "-r", "tree/", f"/{place}", "--receipt", "r", check=6)
        at_box("put", "--retry-failed", "r", "--receipt", "r", check=6)
        (tree / "missing").write_text("there now")
        at_box("put", "--retry-failed", "r", "--receipt", "r", check=0)
        assert box.files.read(f"/{place}/nowhere") == b"there now"
        at_box("verify", "--remote", "r", check=0)

    def test_a_link_to_a_directory_is_no_directory_the_second_time_either(self, at_box, box, place, tree):
        make(tree, "linked")
        at_box("put", "-r", "tree/", f"/{place}", "--receipt", "r", check=6)
        ended = at_box("-q", "put", "--retry-failed", "r", ".", "--receipt", "r", check=6)
        assert ended.err == f"passed over {tree}/linked ({REASONS['linked']})\n"
        assert there(box, place) == ["plain"]
        at_box("put", "-L", "--retry-failed", "r", ".", "--receipt", "r", check=0)
        assert there(box, place) == ["linked/", "linked/below", "plain"]


class TestPython:
    @pytest.fixture(autouse=True)
    def _here(self, at_box, monkeypatch):
        monkeypatch.chdir(at_box.cwd)
        for name, value in at_box.env.items():
            monkeypatch.setenv(name, value)

    def test_an_upload_of_a_tree_raises_what_was_not_done(self, place, odd_tree):
        with pytest.raises(PartialFailure) as caught:
            direct.upload_dir("tree", f"/{place}")
        assert {Path(error.path).name for error in caught.value.failures} == set(map(shown, REASONS))
        assert [done["path"] for done in caught.value.done] == [f"{place}/plain"]
        assert caught.value.code == 6

    @pytest.mark.parametrize(("name", "kind"), [("nowhere", NotFound), ("fifo", LocalError), (ODD, LocalError)])
    def test_an_upload_of_one_raises_its_reason(self, box, place, tree, name, kind):
        make(tree, name)
        box.files.mkdir(f"/{place}")
        with pytest.raises(kind, match=REASONS[name]):
            direct.upload_file(f"tree/{name}", f"/{place}/")

    @pytest.mark.parametrize("kind", [NotFound, NotADirectoryError, FileExistsError])
    def test_a_directory_that_is_not_there_is_not_found_and_what_old_scripts_catch(self, place, kind):
        with pytest.raises(kind, match="nope: no such local directory"):
            direct.upload_dir("nope", f"/{place}")


def test_a_deleted_working_directory_is_named(run, at_box, box, place, tmp_path, monkeypatch):
    box.files.put(f"/{place}/a", b"a")
    for name, value in at_box.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone").mkdir()
    os.chdir("gone")
    Path(tmp_path, "gone").rmdir()
    ended = run("get", f"{place}/a", check=11)
    assert ended.err == "cta-data-direct: local: the working directory no longer exists\n"
