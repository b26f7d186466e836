"""A broken transfer is resumed: by ranges through the service's `/webdav`, and after an interrupt by the next call."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from flask import Response
from servers.platform_door import altered, dying, shorter
from servers.platform_site import Platform

import ctadata
from ctadata.errors import IntegrityError, PartialFailure, TemporaryError
from ctadata.transfer import run

SIZE = 3_000_000
PATIENCE = 60


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "FIRST_PAUSE", 0.001)


@pytest.fixture
def content(on_platform: Platform) -> bytes:
    """The content of lst/f, 3 MB."""
    return on_platform.put("lst/f", random.Random(1).randbytes(SIZE))


def ranges(platform: Platform) -> list[str]:
    return [one.headers["Range"] for one in platform.requests if "/webdav/" in one.path and "Range" in one.headers]


def test_a_download_that_broke_off_is_resumed(on_platform: Platform, content: bytes) -> None:
    on_platform.door.fault("GET", "lst/f", dying(2_000_000))
    assert ctadata.fetch_and_save_file("lst/f") == SIZE
    assert Path("f").read_bytes() == content
    [asked] = ranges(on_platform)
    assert 0 < int(asked.removeprefix("bytes=").partition("-")[0]) <= 2_000_000
    assert sum("/fetch/" in one.path for one in on_platform.requests) == 1


def test_a_large_file_is_resumed_in_the_next_call(on_platform: Platform) -> None:
    content = on_platform.put("lst/large", random.Random(2).randbytes(20 << 20))
    os.utime(on_platform.files / "lst/large", (1.6e9, 1.6e9))  # old enough that its time identifies the version
    on_platform.door.fault("GET", "lst/large", dying(12 << 20), *[dying(0)] * 5)
    with pytest.raises(TemporaryError):
        ctadata.fetch_and_save_file("lst/large")
    assert not Path("large").exists()
    on_platform.door.faults.clear()
    before = len(on_platform.requests)
    assert ctadata.fetch_and_save_file("lst/large") == len(content)
    assert Path("large").read_bytes() == content
    assert not [one for one in on_platform.requests[before:] if "/fetch/" in one.path]


def test_a_body_that_ends_early_is_completed_by_ranges(on_platform: Platform, content: bytes) -> None:
    on_platform.door.fault("GET", "lst/f", shorter(5))
    assert ctadata.fetch_and_save_file("lst/f") == SIZE
    assert Path("f").read_bytes() == content
    assert ranges(on_platform)[-1] == f"bytes=0-{SIZE - 1}"


def test_a_file_that_webdav_would_rewrite_starts_anew_after_a_cut(on_platform: Platform) -> None:
    link = b"<D:href>/pnfs/cta.cscs.ch/a</D:href>"
    content = on_platform.put("lst/f", b"x" * 2_000_000 + link + b"y" * 1000)
    on_platform.door.fault("GET", "lst/f", dying(1_900_000))
    assert ctadata.fetch_and_save_file("lst/f") == len(content)
    assert Path("f").read_bytes() == content
    assert sum("/fetch/" in one.path for one in on_platform.requests) == 2


def test_a_digest_from_webdav_is_verified(on_platform: Platform, content: bytes) -> None:
    on_platform.door.digests = True
    on_platform.door.fault("GET", "lst/f", altered())
    assert ctadata.fetch_and_save_file("lst/f") == SIZE
    assert Path("f").read_bytes() == content
    on_platform.door.fault("GET", "lst/f", *[altered()] * 10)
    with pytest.raises(IntegrityError, match="adler32"):
        ctadata.fetch_and_save_file("lst/f", "other")
    assert sorted(path.name for path in Path().iterdir()) == ["f"]


def test_an_upload_whose_count_is_short_is_sent_again(on_platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("f").write_bytes(b"x" * 100)
    wrong = json.dumps({"status": "uploaded", "path": f"{on_platform.home}/f", "total_written": 99})
    on_platform.after("POST", "downloadservice/upload/f", lambda _: Response(wrong))
    assert ctadata.upload_file("f", "f")["total_written"] == 100
    assert sum("/upload/" in one.path for one in on_platform.requests) == 2


def test_every_file_of_a_tree_is_tried_and_the_next_call_resumes(on_platform: Platform) -> None:
    for name in ("a", "b", "c"):
        on_platform.put(f"lst/d/{name}", name.encode())
    on_platform.door.fault("GET", "lst/d/b", *[shorter(1)] * 20)
    with pytest.raises(PartialFailure) as caught:
        ctadata.fetch_and_save_file_or_dir("lst/d", recursive=True)
    assert [error.path for error in caught.value.failures] == ["/lst/d/b"]
    on_platform.door.faults.clear()
    before = len(on_platform.requests)
    assert ctadata.fetch_and_save_file_or_dir("lst/d", recursive=True) == 3
    assert sum("/fetch/" in one.path for one in on_platform.requests[before:]) == 1


INTERRUPTED = """
import ctadata
try:
    ctadata.fetch_and_save_file("lst/f")
except KeyboardInterrupt:
    print("interrupted", flush=True)
print(ctadata.fetch_and_save_file("lst/f"))
"""


def test_an_interrupt_as_a_notebook_sends_it_leaves_nothing_broken(on_platform: Platform, content: bytes) -> None:
    Path("f").write_bytes(b"the former copy")
    asked = threading.Event()

    def silence() -> None:
        asked.set()
        on_platform.silence()

    on_platform.instead("GET", "downloadservice/fetch/lst/f", silence)
    command = [sys.executable, "-c", INTERRUPTED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert asked.wait(PATIENCE)
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (out.split(), err) == (["interrupted", str(SIZE)], "")
    assert Path("f").read_bytes() == content
    assert sorted(path.name for path in Path().iterdir()) == ["f"]
