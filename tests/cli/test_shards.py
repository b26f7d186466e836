"""Several tasks share the files of one command: each takes its own, and together they take all of them."""

import itertools
import json
import signal

import pytest

from ctadata.sandbox import faults

LARGE = 64 << 20
PATIENCE = 60
ARRAY = {"SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_MAX": "3", "SLURM_ARRAY_TASK_COUNT": "4"}


def slurm_task(index):
    return {**ARRAY, "SLURM_ARRAY_TASK_STEP": "1", "SLURM_ARRAY_TASK_ID": str(index)}


@pytest.fixture
def many(box, place):
    for i in range(30):
        box.files.put(f"/{place}/run{i % 3}/{i:02}", bytes(i))
    box.files.mkdir(f"/{place}/empty")
    return place


def receipt(at_box, name):
    return [json.loads(line) for line in (at_box.cwd / name).read_text().splitlines()]


def done(rows):
    return sorted(row["path"] for row in rows if row["state"] == "done")


def test_four_tasks_get_every_file_once(at_box, box, many):
    for i in range(4):
        ended = at_box("get", "-r", f"{many}/", "out", "--shard", f"{i}/4", "--receipt", "r.{shard}.jsonl", check=0)
        assert f"--shard {i}/4 repeats it" in ended.err
        assert "without --shard proves" in ended.err.splitlines()[-1]
    shares = [done(receipt(at_box, f"r.{i}.jsonl")) for i in range(4)]
    assert sorted(itertools.chain(*shares)) == sorted(f"{many}/run{i % 3}/{i:02}" for i in range(30))
    assert (at_box.cwd / "out" / "empty").is_dir()
    assert "30 files skipped" in at_box("get", "-r", f"{many}/", "out", check=0).err


def test_slurm_names_the_share_and_the_same_words_repeat_it(at_box, many):
    by_array = at_box("get", "-rn", f"{many}/", "out", "--shard", "auto", env=slurm_task(2), check=0)
    assert "--shard 2/4 repeats it" in by_array.err
    by_hand = at_box("get", "-rn", f"{many}/", "out", "--shard", "2/4", check=0)
    assert sorted(by_array.out.splitlines()) == sorted(by_hand.out.splitlines()) != []
    assert "no scheduler" in at_box("get", "-rn", many, "--shard", "auto", check=2).err


def test_a_failed_share_names_itself(at_box, box, many):
    rule = box.faults.add("door", "GET", f"/{many}/run0/03", faults.Status(403, "no"))
    tries = [at_box("get", "-r", f"{many}/", "out", "--shard", "auto", env=slurm_task(i)) for i in range(4)]
    rule.remove()
    [failed] = [i for i in range(4) if tries[i].code == 6]
    assert f"--shard {failed}/4\n" in tries[failed].err
    assert "auto" not in tries[failed].err


def test_tasks_put_every_file_and_each_directory(at_box, box, place):
    for i in range(20):
        (at_box.cwd / f"run/sub{i % 2}").mkdir(parents=True, exist_ok=True)
        (at_box.cwd / f"run/sub{i % 2}/{i:02}").write_bytes(bytes(i))
    (at_box.cwd / "run/empty/deep").mkdir(parents=True)
    rows = []
    for i in range(3):
        at_box("put", "-r", "run", f"/{place}/", "--shard", f"{i}/3", "--receipt", "r.{shard}.jsonl", check=0)
        rows += receipt(at_box, f"r.{i}.jsonl")
    assert done(rows) == sorted(f"{place}/run/sub{i % 2}/{i:02}" for i in range(20))
    assert box.files.exists(f"/{place}/run/empty/deep")
    again = at_box("sync", "run", f":{place}/run", check=0)
    assert "20 files skipped" in again.err


def test_sync_shares_but_does_not_delete(at_box, many):
    shares = [at_box("sync", "-n", f":{many}", "out", "--shard", f"{i}/3", check=0).out.splitlines() for i in range(3)]
    assert len(set(itertools.chain(*shares))) == len(list(itertools.chain(*shares))) == 30
    refused = at_box("sync", "--delete", "--yes", f":{many}", "out", "--shard", "0/3", check=2)
    assert "run sync --delete once without --shard" in refused.err


def test_tasks_verify_every_line_once(at_box, many):
    at_box("get", "-r", f"{many}/", "out", "--receipt", "r.jsonl", check=0)
    rows = [at_box("verify", "--json", "r.jsonl", "--shard", f"{i}/3", check=0).out.splitlines() for i in range(3)]
    assert len({json.loads(row)["path"] for row in itertools.chain(*rows)}) == len(list(itertools.chain(*rows))) == 30


def test_tasks_show_every_checksum_once(at_box, many):
    lines = [at_box("checksum", f"{many}/run*/*", "--shard", f"{i}/3", check=0).out.splitlines() for i in range(3)]
    assert len(set(itertools.chain(*lines))) == len(list(itertools.chain(*lines))) == 30


def test_a_list_of_names_is_shared_without_a_look_at_the_others(at_box, box, many):
    names = [f"{many}/run{i % 3}/{i:02}" for i in range(30)]
    (at_box.cwd / "list").write_text("\n".join(names))
    found = []
    for i in range(4):
        before = len(box.seen)
        found += at_box("get", "--files-from", "list", "out", "-n", "--shard", f"{i}/4", check=0).out.splitlines()
        assert len(box.seen) - before <= 10
    assert len(set(found)) == len(found) == 30


def test_the_limit_of_requests_is_divided_among_the_tasks(at_box, many):
    def limit(*words):
        return at_box("-v", "get", "-rn", many, *words, check=0).err

    assert "at most 8 requests to one server at a time, because 8 tasks run at once" in limit("--shard", "0/8")
    assert "at most 32 requests" in limit("--shard", "0/400", "--at-once", "2")
    assert "at most" not in limit("--shard", "0/4", "-j", "8")
    assert "exclude each other" in at_box("get", many, "-j", "8", "--shard", "0/4", "--at-once", "2", check=2).err
    assert "needs --shard" in at_box("get", many, "--at-once", "2", check=2).err


def test_tasks_that_get_one_listing_list_nothing(at_box, box, many):
    listing = at_box("list", "-r", "--json", many, check=0).out
    (at_box.cwd / "all.jsonl").write_text(listing)
    before = len(box.seen)
    for i in range(4):
        words = ("get", "--files-from", "all.jsonl", many, "out", "--shard", f"{i}/4")
        at_box(*words, "--receipt", "r.{shard}.jsonl", check=0)
    assert "PROPFIND" not in {seen.method for seen in box.seen[before:]}
    rows = [row for i in range(4) for row in receipt(at_box, f"r.{i}.jsonl")]
    assert done(rows) == sorted(f"{many}/run{i % 3}/{i:02}" for i in range(30))
    assert (at_box.cwd / "out" / "empty").is_dir()
    assert "30 files skipped" in at_box("get", "-r", f"{many}/", "out", check=0).err


def test_a_file_that_changed_since_the_listing_is_got_as_it_is(at_box, box, many):
    (at_box.cwd / "all.jsonl").write_text(at_box("list", "-r", "--json", f"{many}/run1", check=0).out)
    box.files.put(f"/{many}/run1/04", b"another content, and longer")
    at_box("get", "--files-from", "all.jsonl", many, "out", check=0)
    assert (at_box.cwd / "out/run1/04").read_bytes() == b"another content, and longer"


def test_a_line_that_is_no_entry_is_a_failure_of_its_own(at_box, many):
    lines = at_box("list", "-r", "--json", f"{many}/run1", check=0).out.splitlines()
    (at_box.cwd / "all.jsonl").write_text(
        "\n".join([*lines, '{"path": "../x", "kind": "file", "size": 1}', lines[0][:40]])
    )
    ended = at_box("get", "--files-from", "all.jsonl", f"{many}/run1", "out", check=6)
    assert "line 11 of the list" in ended.err
    assert "line 12 of the list" in ended.err
    assert len(list((at_box.cwd / "out").iterdir())) == 10
    assert "not below" in at_box("get", "--files-from", "all.jsonl", "lst/other", "out").err


@pytest.mark.full("tasks")
def test_four_tasks_at_once_of_which_one_is_killed(at_box, box, place, count):
    """The killed one is started again, as a scheduler does; each file moves once, but those that the kill lost."""
    number = count(400, 20_000, full=1000)
    at_box.env["BEARER_TOKEN"] = box.token(lifetime=6 * 3600)
    for i in range(number):
        box.files.put(f"/{place}/run{i % 7}/{i:05}", bytes(i % 4096))
    for i in range(4):
        box.files.put(f"/{place}/large{i}", bytes(LARGE + i))
    (at_box.cwd / "all.jsonl").write_text(at_box("list", "-r", "--json", place, check=0).out)
    words = ("get", "--files-from", "all.jsonl", place, "out", "--receipt", "r.{shard}.jsonl", "--shard")
    planned = [at_box(*words, f"{i}/4", "-n", "--json", check=0).out for i in range(4)]
    [mine] = [i for i in range(4) if f"{place}/large2" in planned[i]]
    tasks = []
    rule = box.faults.add(
        "pool", "GET", f"/{place}/large2", faults.Meanwhile(lambda: tasks[mine].kill(), after=100_000), times=1
    )
    tasks += [at_box.start(*words, f"{i}/4") for i in range(4)]
    words_of_ends = [task.communicate(timeout=60 * PATIENCE)[1] for task in tasks]
    codes = [task.returncode for task in tasks]
    assert [code for i, code in enumerate(codes) if i != mine] == [0, 0, 0], words_of_ends
    assert (rule.hits, codes[mine]) == (1, -signal.SIGKILL)
    assert run_for_long(at_box, *words, f"{mine}/4")[0] == 0
    rows = [json.loads(line) for line in at_box("receipts", "merge", "r.*.jsonl", check=0).out.splitlines()]
    assert len({row["path"] for row in rows}) == len(rows) == number + 4
    assert {row["state"] for row in rows} <= {"done", "skipped"}
    shares = [{row["path"] for row in receipt(at_box, f"r.{i}.jsonl")} for i in range(4)]
    assert sum(map(len, shares)) == number + 4
    assert max(map(len, shares)) <= 1.15 * (number + 4) / 4
    assert len([path for path in shares for path in path if "/large" in path]) == 4
    code, words_of_end = run_for_long(at_box, "get", "-r", f"{place}/", "out")
    assert code == 0
    assert f"{number + 4} files skipped" in words_of_end


def run_for_long(at_box, *words):
    """Run the command, on a machine as busy as you like; return its exit code and what stderr says."""
    process = at_box.start(*words)
    said = process.communicate(timeout=60 * PATIENCE)[1]
    return process.returncode, said
