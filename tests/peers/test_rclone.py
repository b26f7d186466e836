"""rclone against the sandbox: a listing, a tree down, and a tree up that the door has to carry itself."""

from __future__ import annotations

import pytest


@pytest.fixture
def remote(rclone, box, run):
    """`remote(*words)`: rclone that knows the sandbox as `box:`, with a token."""
    known = {
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_CA_CERT": str(box.ca),
        "RCLONE_CONFIG_BOX_TYPE": "webdav",
        "RCLONE_CONFIG_BOX_VENDOR": "other",
        "RCLONE_CONFIG_BOX_URL": box.door,
        "RCLONE_CONFIG_BOX_BEARER_TOKEN": box.token(),
    }
    return lambda *words: run(rclone, *words, **known)


def test_ls(remote, big):
    assert {"a b.dat", "empty", "sub/", "sub/ü.txt"} <= set(remote("lsf", "-R", "box:lst").splitlines())
    assert f"{len(big)} a b.dat" in remote("ls", "box:lst")


def test_a_tree_down(remote, box, big, tmp_path):
    remote("copy", "box:lst", tmp_path)
    assert (tmp_path / "a b.dat").read_bytes() == big
    assert (tmp_path / "empty").read_bytes() == b""
    assert (tmp_path / "sub" / "ü.txt").read_bytes() == b"deeper"
    pools = [seen for seen in box.seen if seen.server.startswith("pool")]
    assert len(pools) == 3
    assert not any(seen.header("Authorization") for seen in pools)


def test_a_tree_up_through_the_door(remote, box, big, tmp_path):
    (tmp_path / "new" / "ü").mkdir(parents=True)
    (tmp_path / "new" / "ü" / "big").write_bytes(big)
    (tmp_path / "new" / "none").touch()
    remote("copy", tmp_path / "new", "box:lst/new")
    assert box.files.read("/lst/new/ü/big") == big
    assert box.files.read("/lst/new/none") == b""
    puts = [(seen.server, seen.status) for seen in box.seen if seen.method == "PUT"]
    assert puts == [("door", 201)] * 2
