"""`sync`: its sides, its question, its messages and exit codes."""

import json
from collections import Counter

import pytest

from ctadata.sandbox import faults


@pytest.fixture
def run1(box, place):
    """A directory on the storage with two files."""
    box.files.put(f"/{place}/run1/a", b"1", mtime=1e9)
    box.files.put(f"/{place}/run1/sub/b", b"22", mtime=1e9)
    return f"{place}/run1"


def local(at_box):
    return sorted(str(p.relative_to(at_box.cwd)) for p in at_box.cwd.rglob("*") if p.is_file())


class TestSides:
    @pytest.mark.parametrize("form", [":{0}", ":/{0}", "sandbox:{0}", "{1}/{0}", "home:{2}/run1"], ids="abcde")
    def test_forms_of_the_side_on_the_storage(self, at_box, box, run1, form):
        source = form.format(run1, box.door, run1.split("/")[-2])
        (at_box.cwd.parent / "token").touch(mode=0o600)
        (at_box.cwd.parent / "token").write_text(box.token())  # other tokens are not for a profile that was named
        at_box.env["BEARER_TOKEN"] = ""
        token = ["--token-file", at_box.cwd.parent / "token"]
        ended = at_box("sync", source, "out", *token, check=0)
        assert ended.err.startswith("cta-data-direct: 2 files done")
        assert local(at_box) == ["out/a", "out/sub/b"]
        (at_box.cwd / "out" / "c").write_bytes(b"3")
        at_box("sync", "out", source, *token, check=0)
        assert box.files.read(f"/{run1}/c") == b"3"

    def test_a_local_name_may_have_a_colon(self, at_box, run1):
        at_box("sync", f":{run1}", "./with:colon", check=0)
        assert local(at_box) == ["with:colon/a", "with:colon/sub/b"]

    @pytest.mark.parametrize(
        ("sides", "words"),
        [
            (("here", "there"), "both sides are local"),
            ((":lst", "home:x"), "both sides are on a storage"),
            (("nosuch:lst", "x"), "nosuch"),
            (("https://localhost:1/lst", "x"), "not the door"),
        ],
    )
    def test_ambiguous_sides_are_refused(self, at_box, sides, words):
        ended = at_box("sync", *sides, check=2)
        assert words in ended.err
        assert ended.err.count("\n") == 1

    def test_two_profiles_are_refused(self, at_box):
        assert "two profiles" in at_box("-P", "other", "sync", "sandbox:lst", "x", check=2).err

    def test_files_are_not_synced(self, at_box, run1):
        (at_box.cwd / "f").write_bytes(b"1")
        assert "use get" in at_box("sync", f":{run1}/a", "x", check=2).err
        assert "put sends it" in at_box("sync", "f", f":{run1}", check=2).err
        assert at_box("sync", f":{run1}/nothing", "x", check=3)
        assert at_box("sync", "nothing", f":{run1}", check=3)


class TestDelete:
    @pytest.fixture
    def extra(self, at_box, run1):
        (at_box.cwd / "out" / "more").mkdir(parents=True)
        for name in ("extra", "more/extra"):
            (at_box.cwd / "out" / name).write_bytes(b"x")
        return at_box.cwd / "out"

    def test_delete_without_a_terminal_needs_yes(self, at_box, run1, extra):
        ended = at_box("sync", "--delete", f":{run1}", "out", check=2)
        assert "--yes" in ended.err
        assert local(at_box) == ["out/extra", "out/more/extra"]

    def test_yes_deletes_without_a_question(self, at_box, run1, extra):
        ended = at_box("sync", "--delete", "--yes", f":{run1}", "out", check=0)
        assert "; 3 names deleted" in ended.err
        assert local(at_box) == ["out/a", "out/sub/b"]

    @pytest.mark.parametrize(("answer", "left"), [("y\n", 2), ("n\n", 4), ("\n", 4)])
    def test_a_person_is_asked(self, at_box, run1, extra, answer, left):
        terminal = at_box.terminal("sync", "--delete", f":{run1}", "out")
        terminal.expect(r"delete 3 names\? \[y/N\] ")
        assert "out/more/extra" in terminal.text
        terminal.send(answer)
        assert terminal.end() == 0
        assert len(local(at_box)) == left
        assert ("nothing was deleted" in terminal.text) == (left == 4)

    def test_ctrl_c_at_the_question_deletes_nothing(self, at_box, run1, extra):
        terminal = at_box.terminal("sync", "--delete", f":{run1}", "out")
        terminal.expect(r"\[y/N\] ")
        terminal.send("\x03")
        assert terminal.end(10) == 130
        assert len(local(at_box)) == 4

    def test_max_delete_limits_the_deletions(self, at_box, run1, extra):
        ended = at_box("sync", "--delete", "--yes", "--max-delete", "2", f":{run1}", "out")
        assert ended.code == 6
        assert "3 names would be deleted, more than 2" in ended.err
        assert "--max-delete 3" in ended.err
        assert "nothing deleted: more names than --max-delete allows" in ended.err
        assert "1 file failed" not in ended.err
        assert "to try again" not in ended.err  # the same command would do the same
        assert len(local(at_box)) == 4

    def test_a_change_at_the_question_keeps_what_has_changed(self, at_box, run1, extra):
        words = ["--receipt", "r", f":{run1}", "out"]
        terminal = at_box.terminal("sync", "--delete", *words, columns=200)
        terminal.expect(r"\[y/N\] ")
        (extra / "extra").write_bytes(b"precious")
        (extra / "more" / "new").write_bytes(b"precious")
        terminal.send("y\n")
        assert terminal.end() == 6
        assert "failed out/extra: it has changed since the tree was compared, so it was kept" in terminal.text
        assert "failed out/more: it holds a name that is new or was kept, so it was kept" in terminal.text
        assert f"to try again: cta-data-direct sync --delete {' '.join(words)}" in terminal.text
        again = at_box("get", "--retry-failed", "r", check=2)
        assert "out/extra: it was not deleted, and sync deletes it" in again.err
        assert local(at_box) == ["out/a", "out/extra", "out/more/new", "out/sub/b", "r"]

    def test_a_name_that_the_source_gets_during_an_upload_stays_on_the_storage(self, at_box, box, place):
        """The file is put at both sides while another one is sent."""
        (at_box.cwd / "s").mkdir()
        (at_box.cwd / "s" / "big").write_bytes(b"big")
        for name in ("big", "old", "report"):
            box.files.put(f"/{place}/{name}", b"before", mtime=1e9)

        def put() -> None:
            (at_box.cwd / "s" / "report").write_bytes(b"new")
            box.files.put(f"/{place}/report", b"new")

        rule = box.faults.add("pool", "PUT", f"/{place}/*", faults.Meanwhile(put), times=1)
        ended = at_box("sync", "--delete", "--yes", "s", f":{place}", check=6)
        assert rule.hits == 1
        assert "report: the source has it now, so it was kept" in ended.err
        assert "; 1 name deleted" in ended.err
        assert box.files.read(f"/{place}/report") == b"new"
        assert not box.files.exists(f"/{place}/old")

    def test_the_second_look_is_one_listing_of_each_directory(self, at_box, box, run1):
        def requests(*sides: str) -> Counter[str]:
            before = len(box.seen)
            at_box("sync", "--delete", "--yes", *sides, check=0)
            return Counter(seen.method for seen in box.seen[before:] if seen.server == "door")

        at_box("sync", f":{run1}", "out", check=0)
        names = [f"{folder}x{number}" for number in range(9) for folder in ("", "new/", "new/deep/")]
        up, down = ("out", f":{run1}"), (f":{run1}", "out")
        alone = requests(*up)
        for name in names:
            box.files.put(f"/{run1}/{name}", b"x")
        # the contents of two directories; three second looks; of each directory its kind and, at dCache, two listings
        assert requests(*up) - alone == Counter(PROPFIND=2 + 3 + 2 * 3, DELETE=29)
        alone = requests(*down)
        for name in names:
            (at_box.cwd / "out" / name).parent.mkdir(parents=True, exist_ok=True)
            (at_box.cwd / "out" / name).write_bytes(b"x")
        # `new` is looked for once for its contents, and once with the names beside it
        assert requests(*down) - alone == Counter(PROPFIND=2)

    def test_a_directory_that_lists_as_empty(self, at_box, box, run1, extra):
        box.files.mkdir(f"/{run1}/more")
        ended = at_box("sync", "--delete", "--yes", f":{run1}", "out", check=0)
        assert "1 directory is empty, or you may not read it" in ended.err
        assert "out/more/extra" in local(at_box)
        at_box("sync", "--delete", "--yes", "--delete-empty", f":{run1}", "out", check=0)
        assert "out/more/extra" not in local(at_box)


class TestDryRun:
    def test_a_dry_run_shows_what_the_run_then_does(self, at_box, box, run1):
        (at_box.cwd / "out").mkdir()
        (at_box.cwd / "out" / "extra").write_bytes(b"x")
        at_box("get", f"{run1}/a", "out/", check=0)
        words = ["sync", "--delete", "-n", f":{run1}", "out"]
        dry = at_box(*words, check=0)
        assert dry.out.splitlines() == [f"get {run1}/sub/b -> out/sub/b (2 B)", "delete out/extra"]
        assert dry.err == ("cta-data-direct: dry run: 1 file to move (2 B); 1 file to skip, equal; 1 name to delete\n")
        assert local(at_box) == ["out/a", "out/extra"]
        rows = [json.loads(line) for line in at_box(*words, "--json", check=0).out.splitlines()]
        assert sorted((row["state"], row["path"]) for row in rows) == [
            ("deleted", f"{run1}/extra"), ("done", f"{run1}/sub/b"), ("skipped", f"{run1}/a"),
        ]  # fmt: skip
        assert all(row.pop("dry_run") is True for row in rows)
        real = at_box("sync", "--delete", "--yes", "--json", f":{run1}", "out", check=0)
        drop = ("seconds", "ended", "verified", "digest", "etag")
        clean = [[{k: v for k, v in row.items() if k not in drop} for row in some] for some in (
            rows, map(json.loads, real.out.splitlines()),
        )]  # fmt: skip
        assert sorted(clean[0], key=str) == sorted(clean[1], key=str)

    def test_put_has_a_dry_run(self, at_box, box, place):
        (at_box.cwd / "dir").mkdir()
        (at_box.cwd / "dir" / "f").write_bytes(b"12345")
        dry = at_box("put", "-r", "--dry-run", "dir", f"/{place}", check=0)
        assert dry.out == f"put dir/f -> {place}/dir/f (5 B)\n"
        assert not box.files.exists(f"/{place}")
        assert "nothing to do" in at_box("put", "-rn", "dir", f"/{place}", "--exclude", "f", check=0).err


def test_size_only_and_checksum_exclude_each_other(at_box):
    assert "exclude each other" in at_box("sync", ":lst", "x", "--size-only", "--checksum", check=2).err
