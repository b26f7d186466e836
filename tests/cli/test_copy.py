"""Copies between two sandboxes: the bytes do not pass this machine, and each token stays with its own site."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from servers.agent_token import give_token
from servers.macaroons import packed

from ctadata.sandbox import Sandbox, faults

MIB = 1 << 20


@pytest.fixture(scope="module")
def boxes():
    with (
        Sandbox(write_anywhere=True, marker_interval=0.05) as a,
        Sandbox(write_anywhere=True, marker_interval=0.05) as b,
    ):
        a.trust(b)
        b.trust(a)
        yield a, b


@pytest.fixture
def sites(cli, boxes):
    """Profiles a and b, each with its own token where its agent would write it."""
    tokens = [box.token(user="ada") for box in boxes]
    for name, box, token in zip("ab", boxes, tokens, strict=True):
        box.forget_seen()
        with (cli.cwd / "config.toml").open("a") as config:
            config.write(box.profile_toml(name))
        give_token(name, token)
    cli.env["CTADATA_CONFIG"] = str(cli.cwd / "config.toml")
    return *boxes, tokens


def through_here(*boxes):
    """Count the bytes of files that this machine received or sent."""
    ours = [seen for box in boxes for seen in box.seen if "dCache" not in (seen.header("User-Agent") or "")]
    return sum(
        (seen.answer_bytes or 0) if seen.method == "GET" else seen.body_bytes for seen in ours if "pool" in seen.server
    )


@pytest.mark.parametrize("way", [[], ["--push"]], ids=["pull", "push"])
class TestFile:
    def test_a_file_is_copied_from_site_to_site(self, cli, sites, place, way):
        a, b, tokens = sites
        a.files.put(f"/{place}/f", os.urandom(MIB))
        ended = cli("copy", *way, f"a:{place}/f", f"b:{place}/g", check=0)
        assert b.files.read(f"/{place}/g") == a.files.read(f"/{place}/f")
        assert "1 file done (1.0 MiB" in ended.err
        assert through_here(a, b) == 0
        assert b.files.tree(f"/{place}") == [f"/{place}/g"]
        other_sides = {tokens[0]: b, tokens[1]: a}
        assert not any(token in str(seen.headers) for token, box in other_sides.items() for seen in box.seen)

    def test_a_second_copy_skips_the_file(self, cli, sites, place, way):
        a, *_ = sites
        a.files.put(f"/{place}/f", b"content")
        cli("copy", *way, f"a:{place}/f", f"b:{place}/f", check=0)
        assert "1 file skipped, equal already" in cli("copy", *way, f"a:{place}/f", f"b:{place}/f", check=0).err

    def test_a_failure_in_the_last_line_of_a_copy_fails_the_copy(self, cli, sites, place, way):
        a, b, *_ = sites
        a.files.put(f"/{place}/f", b"new content")
        b.files.put(f"/{place}/f", b"old")
        if way:
            rule = b.faults.add("door", "PUT", f"/{place}/*", faults.Status(507, "Full"))
        else:
            rule = a.faults.add("door", "GET", f"/{place}/f", faults.Status(404, "Gone"))
        ended = cli("copy", *way, f"a:{place}/f", f"b:{place}/f")
        rule.remove()
        assert ended.code == (11 if way else 3)
        assert "the copy failed: rejected" in ended.err
        assert b.files.read(f"/{place}/f") == b"old"
        assert b.files.tree(f"/{place}") == [f"/{place}/f"]


def test_a_copy_that_breaks_off_starts_again(cli, sites, place):
    a, b, *_ = sites
    a.files.put(f"/{place}/f", b"x" * MIB)
    a.faults.add("pool", "GET", f"/{place}/f", faults.Cut(after=1000), times=1)
    cli("copy", f"a:{place}/f", f"b:{place}/f", check=0)
    assert b.files.read(f"/{place}/f") == b"x" * MIB


@pytest.mark.full("matrix")  # it is tried four times
def test_a_damaged_copy_gets_no_final_name(cli, sites, place):
    """The site reports success, but its checksum differs."""
    a, b, *_ = sites
    a.files.put(f"/{place}/f", b"content")
    a.files.entry(f"/{place}/f").checksums["adler32"] = b"\0\0\0\1"
    rule = a.faults.add("pool", "GET", f"/{place}/f", faults.LateChecksum())
    ended = cli("copy", f"a:{place}/f", f"b:{place}/f", check=7)
    rule.remove()
    assert "instead of" in ended.err
    assert not b.files.exists(f"/{place}/f")


@pytest.mark.full("matrix")  # each is tried four times
@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"success: Created\n", 7, "reports the copy as done, but the file is missing"),
        (b"", 5, "did not say how it ended"),
        (b"success: Created\nfailure: no\n", 5, "the copy failed: no"),
        (b"failure: \x1b[31mred\r\n", 5, "the copy failed: \\x1b[31mred"),
        (b"x" * 100_000, 5, "answer to the copy cannot be understood"),
    ],
)
def test_a_reported_success_is_verified(cli, sites, place, body, code, words):
    a, b, *_ = sites
    a.files.put(f"/{place}/f", b"content")
    b.files.put(f"/{place}/f", b"old")
    rule = b.faults.add("door", "COPY", f"/{place}/*", faults.Status(202, "Accepted", body))
    ended = cli("copy", f"a:{place}/f", f"b:{place}/f", check=code)
    rule.remove()
    assert words in ended.err
    assert b.files.tree(f"/{place}") == [f"/{place}/f"]
    assert b.files.read(f"/{place}/f") == b"old"


def test_a_copied_tree_has_the_paths_that_put_would_make(cli, sites, place):
    a, b, *_ = sites
    for name in ("run/1", "run/d/2", "run/d/e/3"):
        a.files.put(f"/{place}/{name}", name.encode())
    cli("copy", "-r", f"a:{place}/run", f"b:{place}", check=0)
    cli("copy", "-r", f"a:{place}/run/", f"b:{place}/contents", check=0)
    assert b.files.tree(f"/{place}/run") == [f"/{place}/run/{name}" for name in ("1", "d/", "d/2", "d/e/", "d/e/3")]
    assert b.files.read(f"/{place}/contents/d/e/3") == b"run/d/e/3"
    assert through_here(a, b) == 0


def test_a_file_on_tape_is_not_requested_from_the_door(cli, sites, place):
    a, b, *_ = sites
    a.files.put(f"/{place}/f", b"content")
    a.tape.archive(f"/{place}/f")
    a.forget_seen()
    ended = cli("copy", f"a:{place}/f", f"b:{place}/f", check=10)
    assert "stage brings it back" in ended.err
    assert not any(seen.method in ("GET", "POST", "COPY") for box in (a, b) for seen in box.seen)


def test_a_directory_needs_r(cli, sites, place):
    a, *_ = sites
    a.files.put(f"/{place}/run/1", b"x")
    assert "-r copies a directory" in cli("copy", f"a:{place}/run", f"b:{place}", check=2).err


def test_through_copies_by_this_machine(cli, sites, place):
    a, b, *_ = sites
    a.files.put(f"/{place}/f", os.urandom(MIB))
    cli("copy", "--through", f"a:{place}/f", f"b:{place}/", check=0)
    assert b.files.read(f"/{place}/f") == a.files.read(f"/{place}/f")
    assert through_here(a, b) >= 2 * MIB


def test_without_macaroons_only_send_token_sends_the_token(cli, sites, place):
    a, b, tokens = sites
    a.files.put(f"/{place}/f", b"content")
    rule = a.faults.add("door", "POST", f"/{place}/f", faults.Status(501, "Not Implemented"))
    ended = cli("copy", f"a:{place}/f", f"b:{place}/f")
    assert "--send-token" in ended.err
    assert not any(tokens[0] in str(seen.headers) for seen in b.seen)
    cli("copy", "--send-token", f"a:{place}/f", f"b:{place}/f", check=0)
    assert any(tokens[0] in str(seen.headers) for seen in b.seen)
    rule.remove()


@pytest.mark.parametrize("way", [[], ["--push"]], ids=["pull", "push"])
def test_a_macaroon_for_more_than_the_file_is_not_sent(cli, sites, place, way):
    a, b, _ = sites
    a.files.put(f"/{place}/f", b"content")
    giver, other = (b, a) if way else (a, b)
    ends = (datetime.now(UTC) + timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    given = packed("path:/", "activity:DOWNLOAD" if not way else "activity:UPLOAD", f"before:{ends}")
    answer = faults.Status(200, "OK", json.dumps({"macaroon": given}).encode())
    rule = giver.faults.add("door", "POST", f"/{place}/*", answer)
    ended = cli("copy", *way, f"a:{place}/f", f"b:{place}/f", check=4)
    rule.remove()
    assert "lacks limits that were requested: path" in ended.err
    assert not any(seen.method == "COPY" for seen in other.seen)


def test_a_door_without_third_party_copy_is_an_error(cli, sites, place):
    a, b, *_ = sites
    a.files.put(f"/{place}/f", b"content")
    rule = b.faults.add("door", "COPY", f"/{place}/*", faults.Status(501, "Not Implemented"))
    ended = cli("copy", f"a:{place}/f", f"b:{place}/f", check=2)
    rule.remove()
    assert "cannot copy from other servers" in ended.err


def test_ctrl_c_cancels_it(cli, sites, place):
    import signal

    a, b, *_ = sites
    a.files.put(f"/{place}/f", b"x" * (2 * MIB))
    stall = a.faults.add("pool", "GET", f"/{place}/f", faults.Stall(after=MIB))
    process = cli.start("copy", f"a:{place}/f", f"b:{place}/f")
    assert stall.reached.wait(60)
    process.send_signal(signal.SIGINT)
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "nothing to do" not in stderr
    assert "the same command continues" in stderr
    stall.release()
    stall.remove()
    b.wait_for(lambda seen: seen.method == "DELETE" and place in seen.target, timeout=60)
    assert not b.files.exists(f"/{place}/f")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["./local", "b:x"], "a copy needs two sites"),
        (["--push", "--through", "a:x", "b:x"], "exclude each other"),
        (["a:lst", "a:lst/below"], "-r copies a directory"),
        (["-r", "a:lst", "a:lst/below"], "copied onto itself"),
    ],
)
def test_contradicting_arguments_are_refused(cli, sites, arguments, words):
    ended = cli("copy", *arguments, check=2)
    assert words in ended.err
    assert ended.err.count("\n") == 1


def test_a_dry_run_changes_nothing(cli, sites, place):
    a, b, *_ = sites
    a.files.put(f"/{place}/run/1", b"x")
    cli("copy", "-n", "-r", f"a:{place}/run", f"b:{place}/x", check=0)
    cli("copy", "-n", f"a:{place}/run/1", f"b:{place}/y/1", check=0)
    assert not b.files.exists(f"/{place}")


def test_a_filter_matches_the_path_from_the_top_of_the_tree(cli, sites, place):
    a, b, *_ = sites
    for name in ("log/1", "d/log/2"):
        a.files.put(f"/{place}/run/{name}", b"x")
    cli("copy", "-r", "--exclude", "/d/log", f"a:{place}/run", f"b:{place}", check=0)
    assert b.files.exists(f"/{place}/run/log/1")
    assert not b.files.exists(f"/{place}/run/d/log")


def test_tasks_copy_every_file_once(cli, sites, place):
    a, b, _ = sites
    for i in range(6):
        a.files.put(f"/{place}/run/{i % 2}/{i}", bytes(i))
    words = ("copy", "-r", f"a:{place}/run/", f"b:{place}/to", "--receipt", "r.{shard}.jsonl", "--shard")
    for i in range(3):
        assert f"--shard {i}/3 repeats it" in cli(*words, f"{i}/3", check=0).err
    files = sorted(f"{place}/to/{i % 2}/{i}" for i in range(6))
    assert [path for path in b.files.tree(f"/{place}/to") if not path.endswith("/")] == [f"/{path}" for path in files]
    rows = [json.loads(line) for file in cli.cwd.glob("r.?.jsonl") for line in file.read_text().splitlines()]
    assert sorted((row["path"], row["state"]) for row in rows) == [(path, "done") for path in files]
