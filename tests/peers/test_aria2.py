"""aria2 against the sandbox: it follows the door to the pool, in one stream and in several."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("connections", [1, 4])
def test_a_file_down(aria2, box, big, run, tmp_path, connections):
    login = ["--ca-certificate", box.ca, "--header", f"Authorization: Bearer {box.token()}"]
    split = ["-x", connections, "-s", connections, "--min-split-size", "1M"]
    quiet = ["--no-conf", "--quiet", "--async-dns=false", "--disable-ipv6"]
    run(aria2, *quiet, *login, *split, "-d", tmp_path, "-o", "down", f"{box.door}/lst/a%20b.dat")
    assert (tmp_path / "down").read_bytes() == big
    pools = [seen for seen in box.seen if seen.server.startswith("pool")]
    assert {seen.method for seen in pools} == {"GET"}
    assert any(seen.server == "door" and seen.status == 302 for seen in box.seen)
