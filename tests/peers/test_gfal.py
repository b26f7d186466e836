"""gfal2 against the sandbox: it copies with its checksums, and carries its token to the pool, which we do not."""

from __future__ import annotations

import subprocess
import zlib

import pytest


@pytest.fixture
def authorities(box, tmp_path):
    """A folder of the sandbox's authority, as OpenSSL reads it: by hash."""
    folder = tmp_path / "authorities"
    folder.mkdir()
    (folder / "sandbox.pem").write_bytes(box.ca.read_bytes())
    subprocess.run(["openssl", "rehash", folder], check=True)
    return folder


@pytest.fixture
def gfal_tool(gfal, box, run, authorities):
    """`gfal_tool("copy", *words)`: gfal-copy with the sandbox's authority and a token."""
    known = {"GFAL_PYTHONBIN": "/usr/bin/python3", "BEARER_TOKEN": box.token(), "X509_CERT_DIR": str(authorities)}
    return lambda tool, *words: run(gfal / f"gfal-{tool}", *words, **known)


@pytest.fixture
def at(box):
    """`at("/lst/a")`: the address of a file as gfal2 writes it."""
    return lambda path: f"davs{box.door.removeprefix('https')}{path}"


def test_a_file_up_and_down_with_its_checksum(gfal_tool, at, box, big, tmp_path):
    (tmp_path / "up").write_bytes(big)
    gfal_tool("copy", "-K", "adler32", f"file://{tmp_path}/up", at("/lst/up.dat"))
    assert box.files.read("/lst/up.dat") == big
    gfal_tool("copy", "-K", "adler32", at("/lst/up.dat"), f"file://{tmp_path}/down")
    assert (tmp_path / "down").read_bytes() == big
    assert f"{zlib.adler32(big):08x}" in gfal_tool("sum", at("/lst/up.dat"), "adler32")


def test_a_wrong_checksum_is_told(gfal, at, box, authorities, tmp_path):
    """gfal-copy with a checksum that the file has not."""
    env = {"GFAL_PYTHONBIN": "/usr/bin/python3", "BEARER_TOKEN": box.token(), "X509_CERT_DIR": str(authorities)}
    command = [gfal / "gfal-copy", "-K", "adler32:00000001", at("/lst/a%20b.dat"), f"file://{tmp_path}/down"]
    ran = subprocess.run(command, env=env | {"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=60)
    assert ran.returncode != 0
    assert "checksum" in ran.stderr.lower()


def test_stat_and_ls(gfal_tool, at, big):
    assert f"Size: {len(big)}" in gfal_tool("stat", at("/lst/a%20b.dat"))
    listed = {line.split()[-1]: line.split() for line in gfal_tool("ls", "-l", at("/lst")).splitlines()}
    assert listed["a%20b.dat"][4] == str(len(big))
    assert listed["sub"][0].startswith("d")


def test_mkdir_rename_and_rm(gfal_tool, at, box):
    gfal_tool("mkdir", at("/lst/new"))
    gfal_tool("rename", at("/lst/empty"), at("/lst/new/moved"))
    assert box.files.exists("/lst/new/moved")
    assert not box.files.exists("/lst/empty")
    gfal_tool("rm", at("/lst/new/moved"))
    gfal_tool("rm", "-r", at("/lst/sub"))
    assert not box.files.exists("/lst/new/moved")
    assert not box.files.exists("/lst/sub")
