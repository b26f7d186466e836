"""The headings of docs/guides/troubleshooting.md are what the program prints, and the search of the site finds them."""

from __future__ import annotations

import functools
import html
import http.server
import json
import re
import shlex
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import certifi
import pytest

from ctadata.cli.main import run
from ctadata.http.client import Client
from ctadata.sandbox import Sandbox, faults
from ctadata.transfer import run as transfer_run

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guides" / "troubleshooting.md"
DRIVER = ROOT / "tests" / "servers" / "search.mjs"
PATIENCE = 900
FOREIGN = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.AAAA"
"""A token whose issuer is x."""


@dataclass(frozen=True)
class Case:
    """A command that fails.

    Attributes:
        words: The words of the command line.
        variable: A variable of its environment, and the value; no value removes it.
        fault: What goes wrong at a pool of the sandbox, and the method.
    """

    words: str
    variable: tuple[str, ...] = ()
    fault: tuple[str, faults.Fault] | None = None


CASES = {
    "no token for the profile (log in)": Case("list", ("BEARER_TOKEN_FILE",)),
    "the token expired; ignored": Case("list", ("BEARER_TOKEN", "{expired}")),
    "the token is from ..., and accept_issuers does not name that; ignored": Case("list", ("BEARER_TOKEN", FOREIGN)),
    "the server does not accept the login: 401 login failed": Case("list", ("BEARER_TOKEN_FILE", "refused")),
    "not allowed: 403 Forbidden, Permission denied": Case("put file /lst/run1/"),
    "there is no such file or directory: 404 Not Found, Path not found": Case("get lst/none.h5"),
    "there is no profile (known: ...)": Case("list -P nosuch"),
    "it is a directory (-r, in Python recursive=True)": Case("get lst/run1"),
    "nothing matches this pattern": Case("list lst/x*.h5"),
    "it differs, and is kept": Case("get --no-clobber lst/run1/a.h5 file"),
    "the name is taken": Case("mkdir home:have"),
    "no connection: Could not connect to server (curl 7)": Case("list", ("CTADATA_DOOR", "https://127.0.0.1:1")),
    "the server's certificate does not verify: unable to get local issuer certificate": Case(
        "list", ("CTADATA_CA", certifi.where())
    ),
    "this is not TOML": Case("list", ("CTADATA_CONFIG", "text.toml")),
    "unknown key; did you mean": Case("list", ("CTADATA_CONFIG", "key.toml")),
    "there is no such settings file": Case("list", ("CTADATA_CONFIG", "none.toml")),
    "must be a whole number from 1 to 128": Case("get -j 999 lst/run1/a.h5"),
    "no such option": Case("get --nope x"),
    "no such command; did you mean": Case("lst"),
    "the profile is no S3 store": Case("buckets"),
    "the directory is not empty": Case("rmdir /lst/users/ada/full"),
    "a path is empty (is a variable of the shell unset?)": Case("get ''"),
    "both sides are local": Case("sync a b"),
    "it is on tape, not on disk (get --stage)": Case("get lst/run1/tape.h5"),
    "the storage has no room: 507 No space left on device": Case("put file home:new", fault=("PUT", faults.Full())),
    "the adler32 is ... instead of ...": Case("get lst/run1/a.h5 new", fault=("GET", faults.Flip())),
}
"""For a heading, a command that prints it."""


@pytest.fixture
def messages(use_sandbox, tmp_path, monkeypatch, capsys) -> dict[str, str]:
    """What each case prints, by the heading to which it belongs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(transfer_run, "FIRST_PAUSE", 0)
    monkeypatch.setattr("ctadata.session.Client", functools.partial(Client, sleep=lambda seconds: None))
    with Sandbox(approve=True) as box:
        use_sandbox(box)
        for name in ("run1/a.h5", "run1/tape.h5", "users/ada/have", "users/ada/full/x"):
            box.files.put(f"/lst/{name}", b"a")
        box.tape.archive("/lst/run1/tape.h5")
        for name, text in {"file": "local", "refused": "no-token", "text.toml": "default = sandbox\n"}.items():
            Path(name).touch(mode=0o600)
            Path(name).write_text(text)
        Path("key.toml").write_text(f'{box.profile_toml("sandbox")}\ndor = "x"\n')
        return {heading: _run(case, box, monkeypatch, capsys) for heading, case in CASES.items()}


def _run(case: Case, box: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys) -> str:
    """Return the first line that the command prints on stderr."""
    with monkeypatch.context() as env:
        match case.variable:
            case [name, value]:
                env.setenv(name, value.format(expired=box.token(lifetime=-10)))
            case [name]:
                env.delenv(name)
        if case.fault:
            method, fault = case.fault
            box.faults.add("pool", method, "*", fault)
        run(shlex.split(case.words))
        box.faults.clear()
    return str(capsys.readouterr().err.partition("\n")[0])


def test_a_heading_has_the_words_of_the_message_in_their_order(messages) -> None:
    headings = re.findall(r"^## (.*)$", PAGE.read_text(), re.MULTILINE)
    assert [heading for heading in CASES if heading not in headings] == []
    for heading, message in messages.items():
        pattern = ".*".join(re.escape(word) for word in re.findall(r"[\w=-]+", heading))
        assert re.search(pattern, message), f"{heading!r} is not what the program prints: {message}"


@contextmanager
def _served(site: Path) -> Iterator[str]:
    """Serve the site, and yield its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.full("site", "chromium")
def test_a_message_that_is_typed_into_the_search_leads_to_its_cure(messages, site: Path) -> None:
    with _served(site) as address:
        line = ["node", DRIVER, address]
        done = subprocess.run(
            line,
            input=json.dumps(list(messages.values())),
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    page = (site / "guides" / "troubleshooting.html").read_text()
    anchors = {html.unescape(words): anchor for anchor, words in re.findall(r'<h2 id="([^"]*)">(.*?)<a ', page)}
    for (heading, message), reached in zip(messages.items(), done.stdout.splitlines(), strict=True):
        assert re.fullmatch(rf".*/troubleshooting\.html(\?.*)?#{re.escape(anchors[heading])}", reached), message
