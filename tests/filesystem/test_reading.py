"""What is read is what was asked for, of one version, with as few requests as there can be."""

from __future__ import annotations

import gc
import os
import random
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from filesystem.conftest import movers, requests, wait_for_movers, wait_for_no_movers
from servers.agent_token import give_token

from ctadata.errors import Changed, CtadataError, IntegrityError, LoginNeeded, NeedsStaging, NotFound, Unsupported
from ctadata.filesystem import CtaFileSystem, block_cache
from ctadata.filesystem.sessions import place_of
from ctadata.sandbox import Sandbox, faults
from ctadata.stores import idle_movers, ranged_file
from ctadata.stores.idle_movers import OPEN_FILES

KIB, MIB = 1 << 10, 1 << 20
CONTENT = random.Random(5).randbytes(12 * MIB)
PATH = "/lst/f"


@pytest.fixture(autouse=True)
def _file(box: Sandbox) -> None:
    box.files.put(PATH, CONTENT)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock of open files; its one number is the time."""
    time = [1000.0]
    monkeypatch.setattr(OPEN_FILES, "clock", lambda: time[0])
    return time


def test_an_open_file_asks_the_door_once_and_leaves_no_mover(box: Sandbox, fs: CtaFileSystem) -> None:
    with fs.open(PATH) as file:
        for offset in (5 * MIB, 100, 9 * MIB + 17, len(CONTENT) - 10):
            file.seek(offset)
            assert file.read(1000) == CONTENT[offset : offset + 1000]
        assert file.size == len(CONTENT)
        wait_for_movers(box, 1)
    assert requests(box)["door"] == 1
    wait_for_no_movers(box)
    assert box.transfer_log.broken() == box.transfer_log.failed == []
    assert requests(box)["pool"] == 4  # the first block, and three that lie elsewhere


def test_any_bytes_are_those_of_the_file(fs: CtaFileSystem, rng: random.Random) -> None:
    with fs.open(PATH, block_size=64 * KIB) as file:
        for _ in range(60):
            start, length = rng.randrange(len(CONTENT) + 100), rng.choice([1, 500, 70_000, 400_000, 9 * MIB])
            file.seek(start)
            assert file.read(length) == CONTENT[start : start + length]
            assert file.tell() == min(start + length, max(start, len(CONTENT)))


def test_a_reader_that_goes_forward_gets_more_with_each_request(box: Sandbox, fs: CtaFileSystem) -> None:
    with fs.open(PATH) as file:
        while block := file.read(100 * KIB):
            assert block == CONTENT[file.tell() - len(block) : file.tell()]
    sizes = [asked.last + 1 - asked.first for asked in box.transfer_log.requested(PATH)]
    assert sizes[:4] == [256 * KIB, 512 * KIB, MIB, 2 * MIB]
    assert len(sizes) <= 10
    assert sum(sizes) == len(CONTENT)


def test_a_reader_that_skips_most_bytes_gets_few_more_than_it_skips(box: Sandbox, fs: CtaFileSystem) -> None:
    with fs.open(PATH) as file:
        for offset in range(5 * MIB, 8 * MIB, 28_000):
            file.seek(offset)
            assert file.read(400) == CONTENT[offset : offset + 400]
    sizes = [asked.last + 1 - asked.first for asked in box.transfer_log.requested(PATH)]
    assert sum(sizes) <= 4_000_000
    assert len(sizes) <= 9


def test_blocks_that_are_read_make_no_room_for_others(
    box: Sandbox, fs: CtaFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_cache, "BUDGET", 2 * MIB)
    with fs.open(PATH) as file:
        for offset in [5 * MIB, *range(6 * MIB, 8 * MIB - 256 * KIB, 256 * KIB)]:
            file.seek(offset)
            file.read(1)
        file.seek(5 * MIB + 256 * KIB - 10)
        assert file.read(20) == CONTENT[5 * MIB + 256 * KIB - 10 :][:20]


def test_a_long_read_goes_into_the_memory_of_the_caller_in_several_ranges(box: Sandbox, fs: CtaFileSystem) -> None:
    buffer = bytearray(len(CONTENT))
    with fs.open(PATH) as file:
        assert file.readinto(buffer) == len(CONTENT)
    assert buffer == CONTENT
    assert requests(box) == {"door": 1, "pool": 1 + 6}
    assert len({asked.uuid for asked in box.transfer_log.requested(PATH)}) == 1


@pytest.mark.parametrize("size", [0, 1, 1000, 2 * MIB])
def test_a_small_file_comes_whole(box: Sandbox, fs: CtaFileSystem, size: int) -> None:
    box.files.put("/lst/small", CONTENT[:size])
    with fs.open("/lst/small") as file:
        for offset in range(0, size, 100_000):
            file.seek(offset)
            assert file.read(10) == CONTENT[offset : min(size, offset + 10)]
        file.seek(0)
        assert file.read() == CONTENT[:size]
    assert fs.cat_file("/lst/small") == CONTENT[:size]
    if size:
        assert len(box.transfer_log.requested("/lst/small")) <= 3  # one of them is that of cat_file


def test_text_and_compressed_files_are_read(box: Sandbox, fs: CtaFileSystem) -> None:
    import gzip

    box.files.put("/lst/t.txt.gz", gzip.compress("Größe\n1\n".encode()))
    with fs.open("/lst/t.txt.gz", "rt", compression="infer", encoding="utf-8") as file:
        assert file.readlines() == ["Größe\n", "1\n"]


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 10), (None, 7), (5, None), (-77, None), (-100, -50), (10, -10), (20, 10), (12 * MIB - 5, 13 * MIB)],
)
def test_cat_file_takes_limits_as_a_slice_does(fs: CtaFileSystem, start: int | None, end: int | None) -> None:
    assert fs.cat_file(PATH, start, end) == CONTENT[start:end]


def test_the_last_bytes_come_without_a_request_for_the_size(box: Sandbox, fs: CtaFileSystem) -> None:
    assert fs.cat_file(PATH, start=-1028) == CONTENT[-1028:]
    assert requests(box) == {"door": 1, "pool": 1}


def test_many_ranges_share_one_mover_and_near_ones_one_request(box: Sandbox, fs: CtaFileSystem) -> None:
    starts = [0, 1000, 2 * MIB, 2 * MIB + 30 * KIB, 5 * MIB, 7 * MIB]
    found = fs.cat_ranges([PATH] * 6, starts, [start + 500 for start in starts])
    assert found == [CONTENT[start : start + 500] for start in starts]
    assert requests(box) == {"door": 1, "pool": 4}
    fs.cat_ranges([PATH], [9 * MIB], [9 * MIB + 1])
    assert requests(box) == {"door": 1, "pool": 5}  # a later call too


def test_an_error_stands_in_the_place_of_its_range(fs: CtaFileSystem) -> None:
    found = fs.cat_ranges([PATH, "/lst/none"], 0, 5)
    assert found[0] == CONTENT[:5]
    assert isinstance(found[1], NotFound)
    assert isinstance(found[1], FileNotFoundError)
    with pytest.raises(FileNotFoundError):
        fs.cat_ranges([PATH, "/lst/none"], 0, 5, on_error="raise")


def test_600_small_files_are_600_requests_to_the_door_and_to_the_pools(box: Sandbox, fs: CtaFileSystem) -> None:
    expected = {f"/lst/many/{number}": b"%d\n" % number * 100 for number in range(600)}
    for path, content in expected.items():
        box.files.put(path, content)
    box.forget_seen()
    threads = set(threading.enumerate())
    assert fs.cat(list(expected)) == expected
    assert requests(box) == {"door": 600, "pool": 600}
    wait_for_no_movers(box)
    others = {thread.name for thread in set(threading.enumerate()) - threads}
    assert all("process_request_thread" in name for name in others)  # the sandbox has one for each connection


def test_files_that_are_read_whole_are_not_watched_for_idle_movers(
    box: Sandbox, fs: CtaFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each read looks at all files that are watched, so many small files would take the square of their number."""
    watched: list[int] = []  # no file itself: it would keep its mover beyond this test
    monkeypatch.setattr(OPEN_FILES, "add", lambda file: watched.append(id(file)))
    box.files.put("/lst/small", b"small")
    assert fs.cat([PATH, "/lst/small"]) == {PATH: CONTENT, "/lst/small": b"small"}
    assert watched == []
    fs.cat_file(PATH, 5, 10)
    assert len(watched) == 1


def test_no_python_thread_reads(fs: CtaFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    here, start = threading.get_ident(), threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if threading.get_ident() == here:
            raise AssertionError(f"{thread.name} was started")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with fs.open(PATH) as file:
        assert file.read() == CONTENT
    assert len(fs.cat_ranges([PATH] * 9, [*range(0, 9 * MIB, MIB)], [*range(10, 9 * MIB + 10, MIB)])) == 9
    assert fs.cat([PATH, PATH + "x"], on_error="omit") == {PATH: CONTENT}


# --- movers ---


def test_a_file_that_is_not_read_gives_its_mover_back_at_the_next_read_of_another(
    box: Sandbox, fs: CtaFileSystem, now: list[float]
) -> None:
    box.files.put("/lst/g", CONTENT)
    gc.collect()  # what the test before has left
    wait_for_no_movers(box)
    with fs.open(PATH) as silent, fs.open("/lst/g") as busy:
        wait_for_movers(box, 2)
        now[0] += idle_movers.IDLE + 1
        busy.seek(5 * MIB)
        busy.read(10)
        wait_for_movers(box, 1)
        silent.seek(7 * MIB)
        assert silent.read(10) == CONTENT[7 * MIB : 7 * MIB + 10]
        wait_for_movers(box, 2)
    assert requests(box)["door"] == 3
    assert box.transfer_log.broken() == []


def test_no_more_than_so_many_files_keep_a_mover(
    box: Sandbox, fs: CtaFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle_movers, "MAX_FILES", 3)
    files = [fs.open(PATH) for _ in range(6)]
    while movers(box) > 3:
        os.sched_yield()
    for file in files:
        file.seek(6 * MIB)
        assert file.read(5) == CONTENT[6 * MIB : 6 * MIB + 5]
        file.close()
    wait_for_no_movers(box)


def test_a_kept_file_gives_its_mover_back_without_the_collector(fs: CtaFileSystem) -> None:
    fs.cat_file(PATH, 5, 10)
    kept = place_of(None).kept
    (reference,) = map(weakref.ref, kept.values())
    gc.disable()
    try:
        kept.clear()
        assert reference() is None
    finally:
        gc.enable()


def test_a_file_that_is_collected_leaves_no_mover(box: Sandbox, fs: CtaFileSystem) -> None:
    file = fs.open(PATH)
    file.itself = file
    wait_for_movers(box, 1)
    del file
    gc.collect()
    wait_for_no_movers(box)


# --- what goes wrong ---


def test_a_file_of_another_size_is_an_error_for_as_long_as_it_is_open(
    box: Sandbox, fs: CtaFileSystem, now: list[float]
) -> None:
    with fs.open(PATH) as file:
        box.files.put(PATH, CONTENT[:-1])
        _let_go(fs, now)
        for _ in range(2):
            file.seek(5 * MIB)
            with pytest.raises(Changed, match="changed while it was read"):
                file.read(10)
    with fs.open(PATH) as file:
        assert file.size == len(CONTENT) - 1


def test_a_range_beyond_the_end_of_a_new_shorter_version_says_that_the_file_changed(
    box: Sandbox, fs: CtaFileSystem, now: list[float]
) -> None:
    with fs.open(PATH) as file:
        box.files.put(PATH, b"short")
        _let_go(fs, now)
        for _ in range(2):
            file.seek(5 * MIB)
            with pytest.raises(Changed, match=f"{len(CONTENT)} bytes, now 5"):
                file.read(10)


def test_another_file_of_the_same_size_is_an_error_too(box: Sandbox, fs: CtaFileSystem, now: list[float]) -> None:
    with fs.open(PATH) as file:
        box.files.put(PATH, CONTENT[::-1])
        _let_go(fs, now)
        file.seek(5 * MIB)
        with pytest.raises(Changed, match="checksum"):
            file.read(10)
    assert fs.cat_file(PATH, 0, 5) == CONTENT[::-1][:5]


def _let_go(fs: CtaFileSystem, now: list[float]) -> None:
    """Have the open files ask the door at their next read."""
    now[0] += idle_movers.IDLE + 1
    OPEN_FILES.end_idle()


def test_a_part_of_a_file_that_was_replaced_between_two_calls_is_that_of_the_new_one(
    box: Sandbox, fs: CtaFileSystem, now: list[float]
) -> None:
    assert fs.cat_file(PATH, 0, 5) == CONTENT[:5]
    box.files.put(PATH, CONTENT[1:])
    now[0] += idle_movers.IDLE - 1
    OPEN_FILES.end_idle()
    box.restart_pool(0)
    box.restart_pool(1)
    assert fs.cat_file(PATH, 0, 5) == CONTENT[1:6]


def test_a_server_that_ignores_ranges_is_an_error_and_no_bytes(box: Sandbox, fs: CtaFileSystem) -> None:
    box.faults.add("pool", "GET", PATH, faults.WholeFile())
    with pytest.raises(Unsupported, match="whole files"):
        fs.open(PATH)
    with pytest.raises(Unsupported, match="simplecache"):
        fs.cat_file(PATH, 100, 200)
    assert fs.cat_file(PATH) == CONTENT


def test_a_small_file_is_read_from_a_server_that_ignores_ranges(box: Sandbox, fs: CtaFileSystem) -> None:
    box.files.put("/lst/small", b"small")
    box.faults.add("pool", "GET", "/lst/small", faults.WholeFile())
    with fs.open("/lst/small") as file:
        assert file.read() == b"small"


@pytest.mark.parametrize("fault", [faults.WrongRange(), faults.Long(announced=True)])
def test_another_range_than_asked_for_is_an_error(box: Sandbox, fs: CtaFileSystem, fault: faults.Fault) -> None:
    with fs.open(PATH) as file:
        box.faults.add("pool", "GET", PATH, fault)
        file.seek(5 * MIB)
        with pytest.raises(IntegrityError):
            file.read(10)


def test_a_whole_file_with_a_flipped_bit_is_an_error(box: Sandbox, fs: CtaFileSystem) -> None:
    box.faults.add("pool", "GET", PATH, faults.Flip(at=MIB))
    with pytest.raises(IntegrityError, match="adler32"):
        fs.cat_file(PATH)


@pytest.mark.parametrize(
    "fault", [faults.Cut(after=100_000), faults.Cut(after=100_000, reset=True), faults.Short(by=5)]
)
def test_a_range_that_breaks_off_goes_on_where_it_broke(
    box: Sandbox, fs: CtaFileSystem, fault: faults.Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranged_file, "AGAIN", ranged_file.Retries(4, first_pause=0.001))
    with fs.open(PATH) as file:
        box.faults.add("pool", "GET", PATH, fault, times=2)
        assert file.read() == CONTENT


def test_a_pool_that_starts_anew_is_no_error(box: Sandbox, fs: CtaFileSystem) -> None:
    with fs.open(PATH) as file:
        for pool in (0, 1):
            box.restart_pool(pool)
        file.seek(5 * MIB)
        assert file.read(10) == CONTENT[5 * MIB : 5 * MIB + 10]


def test_a_refused_token_is_no_missing_file(box: Sandbox, fs: CtaFileSystem) -> None:
    give_token("sandbox", box.token(lifetime=-60))
    for ask in (fs.exists, fs.isfile, fs.isdir, fs.info, fs.ls, fs.find, fs.open, fs.cat_file, lambda p: [*fs.walk(p)]):
        with pytest.raises(PermissionError) as raised:
            ask(PATH)
        assert isinstance(raised.value, LoginNeeded)
    give_token("sandbox", box.token())
    assert fs.exists(PATH)


def test_what_the_server_says_is_kept(box: Sandbox, fs: CtaFileSystem) -> None:
    box.faults.add("door", "GET", PATH, faults.Status(403, "Forbidden", b"Permission denied by the owner"))
    with pytest.raises(PermissionError, match=PATH) as raised:
        fs.open(PATH)
    assert isinstance(raised.value, CtadataError)
    assert raised.value.status == 403


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda fs: fs.open("/lst"), IsADirectoryError),
        (lambda fs: fs.open("/lst/none"), FileNotFoundError),
        (lambda fs: fs.cat_file("/lst/none"), FileNotFoundError),
        (lambda fs: fs.cat_file("/lst/none", 1, 5), FileNotFoundError),
        (lambda fs: fs.info("/lst/none"), FileNotFoundError),
        (lambda fs: fs.ls("/lst/none"), FileNotFoundError),
        (lambda fs: fs.rm_file("/lst"), IsADirectoryError),
        (lambda fs: fs.rm("/lst/none"), FileNotFoundError),
        (lambda fs: fs.rmdir(PATH), NotADirectoryError),
        (lambda fs: fs.rmdir("/lst"), OSError),
        (lambda fs: fs.mkdir("/lst"), FileExistsError),
        (lambda fs: fs.makedirs("/lst"), FileExistsError),
        (lambda fs: fs.makedirs(PATH, exist_ok=True), FileExistsError),
        (lambda fs: fs.open(PATH, "xb"), FileExistsError),
        (lambda fs: fs.pipe_file(PATH, b"", mode="create"), FileExistsError),
        (lambda fs: fs.get_file("/lst/none", "x"), FileNotFoundError),
        (lambda fs: fs.info("/lst/../etc"), OSError),
        (lambda fs: fs.open(PATH, "ab"), OSError),
        (lambda fs: fs.rm("/", recursive=True), OSError),
    ],
)
def test_errors_are_those_of_the_operating_system_too(
    fs: CtaFileSystem, call: object, kind: type[OSError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind) as raised:
        call(fs)  # type: ignore[operator]
    assert isinstance(raised.value, CtadataError)
    assert raised.value.errno
    assert fs.exists(PATH)


# --- tape ---


@pytest.mark.parametrize(
    "read", [lambda fs: fs.open(PATH), lambda fs: fs.cat_file(PATH), lambda fs: fs.cat_file(PATH, 1, 5)]
)
def test_a_file_on_tape_says_so_instead_of_waiting(
    box: Sandbox, fs: CtaFileSystem, read: Callable[[CtaFileSystem], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranged_file, "PATIENCE", 0.3)
    monkeypatch.setattr(box.tape, "delay", 600)
    box.tape.archive(PATH)
    with pytest.raises(NeedsStaging, match="stage"):
        read(fs)


def test_a_file_on_tape_is_waited_for_if_asked(box: Sandbox, fs: CtaFileSystem) -> None:
    box.files.put("/lst/staged", CONTENT)  # nobody has asked for it yet
    box.tape.archive("/lst/staged")
    with fs.open("/lst/staged", stage=True) as file:
        assert file.read(10) == CONTENT[:10]


def test_a_slow_server_is_waited_for(box: Sandbox, fs: CtaFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranged_file, "PATIENCE", 0.3)
    slow = box.faults.add("door", "GET", PATH, faults.Delay(), times=1)
    asked = box.faults.add("door", "PROPFIND", PATH, faults.Meanwhile(slow.release))
    assert fs.cat_file(PATH, 5, 10) == CONTENT[5:10]
    assert asked.hits == 1
