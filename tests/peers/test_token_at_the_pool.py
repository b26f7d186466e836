"""davix, gfal2 and we fetch the same file in one run: they send the token to the pool, we do not."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.fixture
def fetches(box, davix, gfal, run, tmp_path):
    """`fetches()`: for each client the headers `Authorization` that the pools got from it."""
    token, authorities = box.token(), tmp_path / "authorities"
    authorities.mkdir()
    (authorities / "sandbox.pem").write_bytes(box.ca.read_bytes())
    subprocess.run(["openssl", "rehash", authorities], check=True)
    (tmp_path / "config.toml").write_text(box.profile_toml())
    gfal_env = {"GFAL_PYTHONBIN": "/usr/bin/python3", "BEARER_TOKEN": token, "X509_CERT_DIR": str(authorities)}
    ours = {"CTADATA_CONFIG": str(tmp_path / "config.toml"), "CTADATA_PROFILE": "sandbox", "BEARER_TOKEN": token}
    login = ["--capath", authorities, "-H", f"Authorization: Bearer {token}"]
    source = f"{box.door}/lst/a%20b.dat"
    clients = {
        "davix": ([davix / "davix-get", *login, source, tmp_path / "davix"], {}),
        "gfal": ([gfal / "gfal-copy", source.replace("https", "davs"), f"file://{tmp_path}/gfal"], gfal_env),
        "ours": ([sys.executable, "-m", "ctadata", "get", "/lst/a b.dat", tmp_path / "ours"], ours),
    }

    def headers(argv, env):
        before = len(box.seen)
        run(*argv, **env)
        return [seen.header("Authorization") for seen in box.seen[before:] if seen.server.startswith("pool")]

    return token, lambda: {name: headers(*client) for name, client in clients.items()}


def test_they_send_the_token_to_the_pool_and_we_do_not(fetches, big, tmp_path):
    token, fetch = fetches
    sent = fetch()
    for name in sent:
        assert (tmp_path / name).read_bytes() == big
        assert sent[name]
    assert f"Bearer {token}" in sent["davix"]
    assert f"Bearer {token}" in sent["gfal"]
    assert set(sent["ours"]) == {None}
