"""Which files are selected: patterns, filters, lists of paths; and pipes instead of files."""

import os
from pathlib import Path

import pytest
from session.conftest import OpenSession

from ctadata.errors import IntegrityError, NotFound, NothingMatched, UsageError
from ctadata.namespace.filters import Filters
from ctadata.sandbox import Sandbox, faults
from ctadata.session import Session
from ctadata.transfer import run as transfer_run
from ctadata.transfer.plan import Rules

HOME = "/lst/users/ada"
BIG = bytes(i * 7 % 251 for i in range(700_000))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Start every test in an empty directory, and retry at once."""
    monkeypatch.setattr(transfer_run, "FIRST_PAUSE", 0.001)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def filled(box: Sandbox) -> Sandbox:
    for name in ("run_1/a.h5", "run_1/b.txt", "run_2/a2.h5", "run_2/log/c.h5", "odd[1]*.txt"):
        box.files.put(f"/lst/{name}", name.encode())
    return box


def local_files(here: Path) -> list[str]:
    return sorted(str(p.relative_to(here)) for p in here.rglob("*") if p.is_file())


def filters(*include: str, exclude: tuple[str, ...] = ()) -> Rules:
    return Rules(filters=Filters.read(include, exclude))


class TestPatterns:
    def test_all_matches_are_transferred(self, filled: Sandbox, session: Session, here: Path) -> None:
        assert session.get(["lst/run_*/*.h5"], "out").done == 2
        assert local_files(here) == ["out/a.h5", "out/a2.h5"]

    def test_a_path_that_exists_as_written_is_taken_as_written(
        self, filled: Sandbox, session: Session, here: Path
    ) -> None:
        filled.files.put("/lst/odd1x.txt", b"matches the pattern")
        session.get(["lst/odd[1]*.txt"])
        assert local_files(here) == ["odd[1]*.txt"]

    def test_nothing_matched(self, filled: Sandbox, session: Session) -> None:
        with pytest.raises(NothingMatched, match=r"run_\*/\*.fits"):
            session.get(["lst/run_*/*.fits"])
        with pytest.raises(NothingMatched):
            session.get(["lst/run_1/*/"], recursive=True)

    def test_directories_need_r(self, filled: Sandbox, session: Session, here: Path) -> None:
        with pytest.raises(UsageError, match="-r"):
            session.get(["lst/run_*"])
        session.get(["lst/run_*"], recursive=True)
        assert local_files(here) == ["run_1/a.h5", "run_1/b.txt", "run_2/a2.h5", "run_2/log/c.h5"]

    def test_patterns_below_home(self, box: Sandbox, session: Session, here: Path) -> None:
        box.files.put(f"{HOME}/mine1", b"1")
        session.get(["home:mine?"])
        assert local_files(here) == ["mine1"]

    def test_listings(self, filled: Sandbox, session: Session) -> None:
        assert [str(e.path) for e in session.list("lst/run_?")] == ["/lst/run_1", "/lst/run_2"]
        below = session.list("lst/run_?", recursive=True, filters=Filters.read(["*.h5"]))
        assert sorted(str(e.path) for e in below) == [
            "/lst/run_1", "/lst/run_1/a.h5", "/lst/run_2", "/lst/run_2/a2.h5", "/lst/run_2/log/c.h5",
        ]  # fmt: skip
        assert [str(e.path) for e in session.list("lst/run_1", filters=Filters.read(["*.txt"]))] == ["/lst/run_1/b.txt"]


class TestFilters:
    def test_filters_of_a_download(self, filled: Sandbox, session: Session, here: Path) -> None:
        assert session.get(["lst/"], "out", recursive=True, rules=filters("*.h5", exclude=("log",))).done == 2
        assert local_files(here) == ["out/run_1/a.h5", "out/run_2/a2.h5"]
        assert not (here / "out" / "run_2" / "log").exists()

    def test_directories_without_a_selected_file_are_not_created(
        self, filled: Sandbox, session: Session, here: Path
    ) -> None:
        session.get(["lst/"], "out", recursive=True, rules=filters("b.txt"))
        assert sorted(p.name for p in (here / "out").iterdir()) == ["run_1"]
        (here / "up" / "none").mkdir(parents=True)
        (here / "up" / "b.txt").write_text("b")
        session.put(["up/"], "up", recursive=True, rules=filters("b.txt"))
        assert filled.files.tree(f"{HOME}/up") == [f"{HOME}/up/b.txt"]

    def test_an_excluded_directory_is_not_even_listed(self, filled: Sandbox, session: Session) -> None:
        session.get(["lst/"], "out", recursive=True, rules=filters(exclude=("log/",)))
        assert not [seen for seen in filled.seen if seen.method == "PROPFIND" and "log" in seen.target]

    def test_filters_apply_to_named_files(self, filled: Sandbox, session: Session, here: Path) -> None:
        session.get(["lst/run_1/a.h5", "lst/run_1/b.txt"], "out", rules=filters(exclude=("*.txt",)))
        assert local_files(here) == ["out/a.h5"]


class TestLists:
    def test_listed_paths_keep_their_directories(self, filled: Sandbox, session: Session, here: Path) -> None:
        summary = session.get([], "out", listed=["lst/run_1/a.h5", "/lst/run_2/a2.h5", "lst//run_1/b.txt"])
        assert (summary.done, summary.failed) == (3, [])
        assert local_files(here) == ["out/lst/run_1/a.h5", "out/lst/run_1/b.txt", "out/lst/run_2/a2.h5"]

    def test_listed_paths_can_start_from_a_collection(self, filled: Sandbox, session: Session, here: Path) -> None:
        session.get(["lst/run_2"], "out", listed=["a2.h5", "log/c.h5"])
        assert local_files(here) == ["out/a2.h5", "out/log/c.h5"]

    def test_listed_directories_need_r(self, filled: Sandbox, session: Session, here: Path) -> None:
        summary = session.get(["lst"], "out", listed=["run_1", "run_2/a2.h5"])
        assert (summary.done, summary.exit_code) == (1, 6)
        assert "-r" in str(summary.errors[0])
        assert session.get(["lst"], "out", listed=["run_1"], recursive=True).done == 2

    def test_a_missing_path_is_the_failure_of_its_line(self, filled: Sandbox, session: Session) -> None:
        summary = session.get(["lst"], "out", listed=["run_1/a.h5", "nothing", "run_1/b.txt"])
        assert (summary.done, [type(e) for e in summary.errors]) == (2, [NotFound])
        assert summary.errors[0].path == "/lst/nothing"

    def test_lists_of_uploads(self, box: Sandbox, session: Session, here: Path) -> None:
        for name in ("a", "x/b", "x/c", "y/d"):
            (here / "from" / name).parent.mkdir(parents=True, exist_ok=True)
            (here / "from" / name).write_text(name)
        summary = session.put(["from"], "up", listed=["a", "./x/b", "x/c", "y/missing"])
        assert (summary.done, len(summary.failed)) == (3, 1)
        assert [n for n in box.files.tree(f"{HOME}/up") if not n.endswith("/")] == [
            f"{HOME}/up/{name}" for name in ("a", "x/b", "x/c")
        ]

    @pytest.mark.parametrize("name", ["../x", "a/../../x", "/", "."])
    def test_no_line_leads_out_of_the_directory(self, filled: Sandbox, session: Session, here: Path, name: str) -> None:
        (here / "a").write_text("a")
        for summary in (
            session.get(["lst"], "out", listed=[name, "run_1/a.h5"]),
            session.put([], "up", listed=[name, "a"]),
        ):
            assert (summary.done, [type(e) for e in summary.errors]) == (1, [UsageError])
            assert summary.errors[0].path == name

    def test_an_upload_takes_no_absolute_paths(self, box: Sandbox, session: Session) -> None:
        assert session.put([], "up", listed=["/etc/passwd"]).exit_code == UsageError.exit_code


class TestOut:
    def test_bytes_arrive_in_order(self, filled: Sandbox, session: Session) -> None:
        filled.files.put("/lst/big", BIG)
        got: list[bytes] = []
        summary = session.get_to_pipe(["lst/big", "lst/run_1/a.h5"], lambda block: got.append(bytes(block)))
        assert b"".join(got) == BIG + b"run_1/a.h5"
        assert (summary.done, summary.exit_code) == (2, 0)

    def test_a_broken_stream_is_resumed(self, filled: Sandbox, session: Session) -> None:
        filled.files.put("/lst/big", BIG)
        filled.faults.add("pool", "GET", "*", faults.Cut(after=300_000), times=2)
        got: list[bytes] = []
        assert session.get_to_pipe(["lst/big"], lambda block: got.append(bytes(block))).done == 1
        assert b"".join(got) == BIG

    def test_a_wrong_byte_is_reported_at_the_end_and_nothing_is_written_twice(
        self, filled: Sandbox, session: Session
    ) -> None:
        filled.files.put("/lst/big", BIG)
        filled.faults.add("pool", "GET", "*", faults.Flip(at=5), times=1)
        got: list[bytes] = []
        summary = session.get_to_pipe(["lst/big", "lst/run_1/a.h5"], lambda block: got.append(bytes(block)))
        assert summary.exit_code == IntegrityError.exit_code
        assert "do not use what was written" in str(summary.errors[0])
        assert len(b"".join(got)) == len(BIG)

    def test_a_changed_file_is_not_mixed_from_two_versions(self, filled: Sandbox, session: Session) -> None:
        filled.files.put("/lst/big", BIG)
        filled.faults.add("pool", "GET", "*", faults.Cut(after=300_000), times=1)
        got: list[bytes] = []

        def take(block: bytes) -> None:
            if not got:
                filled.files.put("/lst/big", bytes(reversed(BIG)))
            got.append(bytes(block))

        assert session.get_to_pipe(["lst/big"], take).exit_code == IntegrityError.exit_code

    def test_the_reader_may_stop(self, filled: Sandbox, session: Session) -> None:
        filled.files.put("/lst/big", BIG)

        def refuse(block: bytes) -> None:
            raise BrokenPipeError

        with pytest.raises(BrokenPipeError):
            session.get_to_pipe(["lst/big"], refuse)

    def test_a_directory_into_a_pipe_is_refused(self, filled: Sandbox, session: Session) -> None:
        assert session.get_to_pipe(["lst/run_1"], print).exit_code == UsageError.exit_code


class TestIn:
    @pytest.fixture
    def pipe(self, tmp_path: Path) -> int:
        (tmp_path / "content").write_bytes(BIG)
        fd = os.open(tmp_path / "content", os.O_RDONLY)
        yield fd
        os.close(fd)

    def test_a_pipe_of_unknown_length_is_uploaded(self, box: Sandbox, session: Session) -> None:
        out, into = os.pipe()
        with os.fdopen(into, "wb") as stream:
            stream.write(b"from a pipe")
        assert session.put_from_pipe(out, "new/name").done == 1
        os.close(out)
        assert box.files.read(f"{HOME}/new/name") == b"from a pipe"

    def test_a_file_is_replaced_even_if_size_time_or_checksum_are_the_same(
        self, box: Sandbox, session: Session, tmp_path: Path
    ) -> None:
        for content in (b"abba", b"baab", b"baab"):  # of one adler32
            (tmp_path / "in").write_bytes(content)
            with (tmp_path / "in").open("rb") as file:
                assert session.put_from_pipe(file.fileno(), "name").done == 1
            assert box.files.read(f"{HOME}/name") == content

    @pytest.mark.parametrize("target", ["dir/", "dir", "home:", "/"])
    def test_a_pipe_needs_a_target_name(self, box: Sandbox, session: Session, pipe: int, target: str) -> None:
        box.files.mkdir(f"{HOME}/dir")
        with pytest.raises(UsageError, match="name"):
            session.put_from_pipe(pipe, target)

    def test_no_spool_file_is_left(
        self, box: Sandbox, session: Session, pipe: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import tempfile

        (tmp_path / "tmp").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
        session.put_from_pipe(pipe, "name")
        assert list((tmp_path / "tmp").iterdir()) == []


class TestDryRun:
    def test_a_dry_run_does_not_create_a_home(self, box: Sandbox, open_session: OpenSession, here: Path) -> None:
        (here / "f").write_text("f")
        session = open_session(home="lst/users/ada/{user}")
        assert session.put(["f"], "x/", rules=Rules(dry_run=True)).done == 1
        assert box.files.tree(HOME) == []
        assert session.put(["f"], "x/").done == 1

    def test_only_reading_requests_are_sent(self, filled: Sandbox, session: Session, here: Path) -> None:
        (here / "d").mkdir()
        (here / "d" / "f").write_text("f")
        session.put(["d"], "up", recursive=True, rules=Rules(dry_run=True))
        session.get(["lst/run_1"], recursive=True, rules=Rules(dry_run=True))
        assert {seen.method for seen in filled.seen} == {"PROPFIND"}
        assert local_files(here) == ["d/f"]
