"""The start of a command: which modules it loads before its first request."""

import subprocess
import sys

import pytest

HEAVY = {
    "asyncio", "boto3", "botocore", "email", "fsspec", "http.client", "pydantic", "requests", "rich", "ssl",
    "urllib.request", "urllib3", "webdav4", "xml.etree.ElementTree",
}  # fmt: skip
"""Modules that no plain command may load: each costs milliseconds, and they need none of them."""

UNUSED = {
    "list": {
        "concurrent.futures", "ctadata.stores.dcache.frontend", "ctadata.stores.webdav.deletion",
        "ctadata.tokens.access_keys", "ctadata.transfer", "hashlib", "pickle", "secrets", "shlex", "zlib_ng",
    },
    "get": {
        "ctadata.cli.listed_files", "ctadata.cli.receipts", "ctadata.stores.dcache.frontend",
        "ctadata.transfer.streams", "ctadata.transfer.sync", "ctadata.transfer.upload_tree",
    },
    "put": {
        "ctadata.cli.receipts", "ctadata.stores.dcache.frontend", "ctadata.transfer.download_tree",
        "ctadata.transfer.streams", "ctadata.transfer.sync",
    },
}  # fmt: skip
"""Modules that one command may not load."""

RUN = """
import sys
from ctadata.cli import main
import ctadata.http.exchange
def perform(*_):
    print(*sys.modules)
    sys.stdout.flush()
    import os
    os._exit(0)
ctadata.http.exchange.Exchange.perform = perform
main.run(sys.argv[1:])
"""


@pytest.mark.parametrize("arguments", [("list", "/"), ("get", "/f"), ("put", "f", "/f")], ids=lambda each: each[0])
@pytest.mark.parametrize("variable", ["BEARER_TOKEN", "BEARER_TOKEN_FILE"])
def test_a_command_loads_no_heavy_module_before_its_first_request(arguments, variable, tmp_path):
    (tmp_path / "f").write_text("content")
    (tmp_path / "token").touch(0o600)
    (tmp_path / "token").write_text("token")
    settings = tmp_path / "c.toml"
    settings.write_text('default = "x"\n[profiles.x]\nkind = "webdav"\ndoor = "http://127.0.0.1:9"\n')
    environment = {"CTADATA_CONFIG": str(settings), variable: "token", "HOME": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    loaded = set(ran.stdout.split())
    assert "pycurl" in loaded, ran.stderr
    assert loaded & (HEAVY | UNUSED[arguments[0]]) == set()
