"""The panel of the storage in a real JupyterLab, by what its contents API answers and what lies at the storage then.

`CTADATA_WRITE_PICTURE=1 .venv/bin/python -m pytest -n0 --full tests/jupyter -k browser` takes the guide's picture.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
import requests
from servers.agent_token import give_token
from servers.jupyterlab import PIECE, JupyterLab
from servers.moto import MotoS3

from ctadata.sandbox import Sandbox

pytestmark = pytest.mark.full("jupyterlab")
PICTURE = Path(__file__).parents[2] / "docs" / "guides" / "jupyterlab.png"
WRITE = bool(os.environ.pop("CTADATA_WRITE_PICTURE", ""))
PATIENCE = 600
BINARY = random.Random(5).randbytes(5 * PIECE // 2)
NOTEBOOK: dict[str, Any] = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture
def lab(jupyterlab: JupyterLab, box: Sandbox) -> JupyterLab:
    jupyterlab.open_panels(
        {"name": "root", "url": "cta:///"},
        {"name": "lst", "url": "cta:///lst"},
        {"name": "home", "url": "cta:///~/"},
        {"name": "shown", "url": "cta:///lst", "defaultWritable": False},
        {"name": "guest", "url": "cta://guest/"},
        {"name": "store", "url": "cta://store/"},
    )
    box.forget_seen()
    return jupyterlab


def said(answer: requests.Response, status: int) -> str:
    """The message of an answer that has to have this status."""
    assert answer.status_code == status, answer.text
    return str(answer.json()["message"])


def names(answer: requests.Response) -> list[str]:
    assert answer.ok, answer.text
    return [each["name"] for each in answer.json()["content"]]


def test_the_storage_is_a_panel_without_any_settings(jupyterlab: JupyterLab) -> None:
    answer = jupyterlab.ask("POST", "jupyterfs/resources", json={"resources": [], "options": {"_addServerside": True}})
    [panel] = answer.json()
    assert (panel["name"], panel["url"], panel["init"]) == ("CTA storage", "cta:///", True)
    assert [each["label"] for each in jupyterlab.ask("GET", "jupyterfs/snippets").json()["snippets"]]


def test_a_directory_is_listed_with_two_requests_however_many_files_it_has(lab: JupyterLab, box: Sandbox) -> None:
    for number in range(40):
        box.files.put(f"/lst/many/{number:02}.txt", b"x" * number)
    box.files.put("/lst/many/.hidden", b"")
    box.files.put("/lst/many/below/a.ipynb", b"{}")
    box.forget_seen()
    listing = lab.contents("GET", "root", "lst/many")
    assert names(listing) == [*(f"{number:02}.txt" for number in range(40)), "below"]
    assert len(box.seen) == 2
    last = listing.json()["content"][39]
    assert (last["path"], last["size"], last["type"]) == ("/lst/many/39.txt", 39, "file")
    assert [each["type"] for each in lab.contents("GET", "root", "lst/many/below").json()["content"]] == ["notebook"]


def test_files_are_opened_changed_and_saved(lab: JupyterLab, box: Sandbox) -> None:
    box.files.put("/lst/edit/a.txt", b"before")
    opened = lab.contents("GET", "root", "lst/edit/a.txt").json()
    assert (opened["content"], opened["format"], opened["mimetype"]) == ("before", "text", "text/plain")
    saved = lab.contents("PUT", "root", "lst/edit/a.txt", type="file", format="text", content="nächtlich")
    assert saved.ok
    assert box.files.read("/lst/edit/a.txt") == "nächtlich".encode()
    again = lab.contents("GET", "root", "lst/edit/a.txt", query="?content=0&hash=1").json()
    assert (again["hash"], again["content"]) == (saved.json()["hash"], None)


def test_notebooks_are_opened_and_saved(lab: JupyterLab, box: Sandbox) -> None:
    saved = lab.contents("PUT", "home", "a.ipynb", type="notebook", format="json", content=NOTEBOOK)
    assert (saved.status_code, saved.json()["type"]) == (201, "notebook")
    assert json.loads(box.files.read("/lst/users/ada/a.ipynb"))["nbformat"] == 4
    assert lab.contents("GET", "home", "a.ipynb").json()["content"]["cells"] == []
    box.files.put("/lst/users/ada/broken.ipynb", b"no notebook")
    assert "broken.ipynb is no notebook" in said(lab.contents("GET", "home", "broken.ipynb"), 400)
    assert lab.contents("GET", "home", "broken.ipynb", query="?type=file").json()["content"] == "no notebook"


def test_new_files_and_directories_get_free_names(lab: JupyterLab, box: Sandbox) -> None:
    box.files.put("/lst/new/untitled.txt", b"")
    assert lab.contents("POST", "root", "lst/new", type="file", ext=".txt").json()["path"] == "/lst/new/untitled1.txt"
    assert lab.contents("POST", "root", "lst/new", type="directory").json()["type"] == "directory"
    assert lab.contents("POST", "root", "lst/new", copy_from=f"{lab.drives['root']}:lst/new/untitled.txt").ok
    assert names(lab.contents("GET", "root", "lst/new")) == [
        *("Untitled Folder", "untitled-Copy1.txt", "untitled.txt", "untitled1.txt")
    ]


@pytest.mark.parametrize("size", [10, PIECE, len(BINARY)])
def test_an_uploaded_file_is_whole(lab: JupyterLab, box: Sandbox, size: int) -> None:
    assert lab.upload("root", f"lst/up/{size}.bin", BINARY[:size]).ok
    assert box.files.read(f"/lst/up/{size}.bin") == BINARY[:size]
    downloaded = lab.ask("GET", f"files/{lab.drives['root']}:lst/up/{size}.bin?download=1")
    assert downloaded.content == BINARY[:size]


def test_an_upload_that_misses_a_piece_publishes_nothing(lab: JupyterLab, box: Sandbox) -> None:
    box.files.put("/lst/up/old.bin", b"old")
    body = {"type": "file", "format": "base64", "content": "QUJD"}
    for numbers in ([1, 3], [2], [-1]):
        answers = [lab.contents("PUT", "root", "lst/up/old.bin", **body, chunk=number) for number in numbers]
        assert "is missing" in said(answers[-1], 400)
    assert box.files.read("/lst/up/old.bin") == b"old"
    assert box.files.tree("/lst/up").count("/lst/up/old.bin") == 1


def test_names_change_and_a_taken_one_is_refused(lab: JupyterLab, box: Sandbox) -> None:
    box.files.put("/lst/moved/a/deep/b.txt", b"b")
    box.files.put("/lst/moved/c.txt", b"c")
    assert lab.rename("root", "lst/moved/a", "lst/moved/z").ok
    assert lab.rename("root", "lst/moved/c.txt", "lst/moved/d.txt").ok
    assert box.files.read("/lst/moved/z/deep/b.txt") == b"b"
    assert "taken" in said(lab.rename("root", "lst/moved/d.txt", "lst/moved/z/deep/b.txt"), 409)
    assert box.files.read("/lst/moved/z/deep/b.txt") == b"b"
    assert not box.files.exists("/lst/moved/a")


def test_only_the_named_file_is_deleted_and_no_directory_that_holds_something(lab: JupyterLab, box: Sandbox) -> None:
    for name in ("[ab]", "a", "b", "kept/file", "50%.txt"):
        box.files.put(f"/lst/gone/{name}", b"")
    box.files.mkdir("/lst/gone/empty")
    for name in ("[ab]", "empty", "50%.txt"):
        assert lab.contents("DELETE", "root", f"lst/gone/{name}").status_code == 204
    said(lab.contents("DELETE", "root", "lst/gone/[ab]"), 404)
    assert "not empty" in said(lab.contents("DELETE", "root", "lst/gone/kept"), 400)
    assert names(lab.contents("GET", "root", "lst/gone")) == ["a", "b", "kept"]


def test_a_panel_of_a_directory_shows_what_is_below_it(lab: JupyterLab, box: Sandbox) -> None:
    box.files.put("/lst/lst/deep.txt", b"deep")
    box.files.put("/lst/deep.txt", b"top")
    assert lab.contents("GET", "lst", "lst/deep.txt").json()["content"] == "deep"
    assert lab.contents("GET", "lst", "deep.txt").json()["content"] == "top"
    assert "deep.txt" in names(lab.contents("GET", "lst", ""))


def test_an_error_says_what_the_storage_says(lab: JupyterLab, box: Sandbox) -> None:
    assert "does not exist" in lab.contents("GET", "root", "lst/none.txt").text
    assert "only shows files" in said(
        lab.contents("PUT", "shown", "a.txt", type="file", format="text", content=""), 403
    )
    assert "only shows files" in said(lab.contents("DELETE", "shown", "a.txt"), 403)
    assert said(lab.rename("root", "lst/none.txt", "lst/../x"), 400)


def test_a_panel_says_how_to_log_in_and_works_after_a_login(lab: JupyterLab, box: Sandbox, folder: Path) -> None:
    box.files.put("/lst/login/a.txt", b"a")
    assert "start-agent" in said(lab.contents("GET", "guest", "lst/login"), 403)
    give_token("guest", box.token(user="guest"), folder / "state" / "ctadata")
    assert names(lab.contents("GET", "guest", "lst/login")) == ["a.txt"]


def test_a_file_that_is_too_large_for_a_browser_is_not_read(lab: JupyterLab, box: Sandbox) -> None:
    box.files.put("/lst/large.h5", bytes((64 << 20) + 1))
    box.forget_seen()
    assert "direct.open" in said(lab.contents("GET", "root", "lst/large.h5"), 413)
    assert lab.contents("GET", "root", "lst/large.h5", query="?content=0").json()["size"] == (64 << 20) + 1
    assert {seen.method for seen in box.seen} == {"PROPFIND"}


def test_a_panel_of_an_s3_store(lab: JupyterLab, moto_s3: MotoS3) -> None:
    bucket = moto_s3.bucket()
    assert bucket in names(lab.contents("GET", "store", ""))
    assert lab.upload("store", f"{bucket}/run1/a.bin", BINARY).ok
    assert moto_s3.client().get_object(Bucket=bucket, Key="run1/a.bin")["Body"].read() == BINARY
    assert lab.rename("store", f"{bucket}/run1", f"{bucket}/run2").ok
    assert names(lab.contents("GET", "store", f"{bucket}/run2")) == ["a.bin"]
    assert lab.contents("DELETE", "store", f"{bucket}/run2/a.bin").status_code == 204


def test_the_local_files_stay_what_they_are(lab: JupyterLab) -> None:
    assert lab.upload("", "local.bin", BINARY).ok
    assert (lab.local / "local.bin").read_bytes() == BINARY
    assert "local.bin" in names(lab.contents("GET", "", ""))


def test_no_answer_and_no_log_contains_the_token(lab: JupyterLab, folder: Path, login: Path) -> None:
    lab.contents("GET", "root", "lst")
    answers = lab.ask("GET", "jupyterfs/resources").text + lab.contents("GET", "root", "lst").text
    secret = login.read_text().strip().split(".")[-1]
    assert secret not in answers + (folder / "log").read_text()


@pytest.mark.full("chromium")
def test_a_person_works_with_the_panel_in_a_browser(jupyterlab: JupyterLab, box: Sandbox, tmp_path: Path) -> None:
    for name in ("run1/gone.txt", "run1/old.txt", "run2/events.h5"):
        box.files.put(f"/lst/{name}", b"kept")
    box.files.put("/lst/run1/events.h5", bytes(1_234_567))
    box.files.put("/lst/run1/notes.txt", b"Calibration of run 1\n")
    upload, picture = tmp_path / "uploaded.bin", tmp_path / "jupyterlab.png"
    upload.write_bytes(BINARY)
    program = Path(__file__).parents[1] / "servers" / "panel.mjs"
    command = ["node", program, jupyterlab.url, jupyterlab.token, upload, picture]
    with tempfile.TemporaryDirectory(dir="/tmp") as short:  # Chromium makes a socket there, whose path must be short
        env = os.environ | {"HOME": str(tmp_path), "TMPDIR": short}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert box.files.read("/lst/run1/notes.txt") == b"Calibration of run 1\nClouds after 2 h."
    assert box.files.read("/lst/run1/uploaded.bin") == BINARY
    assert box.files.read("/lst/run1/new.txt") == b"kept"
    assert not box.files.exists("/lst/run1/old.txt")
    assert not box.files.exists("/lst/run1/gone.txt")
    assert picture.read_bytes().startswith(b"\x89PNG")
    if WRITE:
        PICTURE.write_bytes(picture.read_bytes())
