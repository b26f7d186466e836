"""davix against the sandbox, as the client before this one used it: get, put and a long listing."""

from __future__ import annotations

import subprocess

import pytest


@pytest.fixture
def davix_tool(davix, box, run, tmp_path):
    """`davix_tool("get", *words)`: davix-get with the sandbox's authority and a token."""
    authorities = tmp_path / "authorities"
    authorities.mkdir()
    (authorities / "sandbox.pem").write_bytes(box.ca.read_bytes())
    subprocess.run(["openssl", "rehash", authorities], check=True)  # OpenSSL finds a CA in a folder by its hash
    login = ["--capath", authorities, "-H", f"Authorization: Bearer {box.token()}"]
    return lambda tool, *words: run(davix / f"davix-{tool}", *login, *words)


def test_get(davix_tool, box, big, tmp_path):
    davix_tool("get", f"{box.door}/lst/a%20b.dat", tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == big
    assert [seen.server for seen in box.seen if seen.method == "GET"][-1].startswith("pool")


def test_put(davix_tool, box, big, tmp_path):
    (tmp_path / "up").write_bytes(big)
    davix_tool("put", tmp_path / "up", f"{box.door}/lst/up.dat")
    assert box.files.read("/lst/up.dat") == big
    door, pool = (seen for seen in box.seen if seen.method == "PUT")
    assert (door.server, door.status, door.body_bytes) == ("door", 307, 0)
    assert (pool.status, pool.body_bytes) == (201, len(big))


def test_ls(davix_tool, box, big):
    lines = davix_tool("ls", "-l", f"{box.door}/lst").splitlines()
    listed = {line.split()[-1]: (line[0], line.split()[2]) for line in lines}
    assert listed["a%20b.dat"] == ("-", str(len(big)))
    assert listed["empty"] == ("-", "0")
    assert listed["sub"][0] == "d"
