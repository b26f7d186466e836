"""curl against the sandbox: it follows door to pool in both directions, and leaves its token at the door."""

from __future__ import annotations

import pytest


@pytest.fixture
def ask(curl, box, run, tmp_path):
    """`ask(*words)`: curl with the sandbox's authority and a token."""
    header = tmp_path / "header"
    header.write_text(f"Authorization: Bearer {box.token()}")
    options = ["--silent", "--show-error", "--fail", "--location", "--cacert", box.ca, "-H", f"@{header}"]
    return lambda *words: run(curl, *options, *words)


def at(box, method):
    """The two requests that a transfer is made of: the door's and the pool's."""
    door, pool = (seen for seen in box.seen if seen.method == method)
    assert door.server == "door"
    assert pool.server.startswith("pool")
    return door, pool


def test_get_is_served_by_a_pool_without_the_token(ask, box, big, tmp_path):
    ask("--output", tmp_path / "down", f"{box.door}/lst/a%20b.dat")
    assert (tmp_path / "down").read_bytes() == big
    door, pool = at(box, "GET")
    assert door.status == 302
    assert door.header("Authorization")
    assert pool.status == 200
    assert pool.header("Authorization") is None


def test_a_put_that_expects_goes_past_the_door(ask, box, big, tmp_path):
    (tmp_path / "up").write_bytes(big)
    ask("-H", "Expect: 100-continue", "--expect100-timeout", "60", "-T", tmp_path / "up", f"{box.door}/lst/up.dat")
    assert box.files.read("/lst/up.dat") == big
    door, pool = at(box, "PUT")
    assert (door.status, door.body_bytes) == (307, 0)
    assert (pool.status, pool.body_bytes) == (201, len(big))
    assert pool.header("Authorization") is None


def test_a_put_that_does_not_expect_goes_through_the_door(ask, box, big, tmp_path):
    (tmp_path / "up").write_bytes(big)
    ask("-H", "Expect:", "-T", tmp_path / "up", f"{box.door}/lst/up.dat")
    assert box.files.read("/lst/up.dat") == big
    (door,) = (seen for seen in box.seen if seen.method == "PUT")
    assert (door.server, door.status, door.body_bytes) == ("door", 201, len(big))


def test_a_range_of_a_file(ask, box, big, tmp_path):
    ask("--range", "1000-1099", "--output", tmp_path / "part", f"{box.door}/lst/a%20b.dat")
    assert (tmp_path / "part").read_bytes() == big[1000:1100]
