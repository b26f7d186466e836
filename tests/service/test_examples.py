"""The code that users of the platform have in notebooks and scripts, unchanged."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
from servers.platform_site import Platform

import ctadata
from ctadata.errors import CtadataError

FOLDER = "cta/DL1/20241114/v0.1"
CHOSEN = f"{FOLDER}/dl1_LST-1.Run11111.0100.h5"

LOOP = """
import ctadata
for url in ctadata.list_dir("cta/DL1/20241114/v0.1/"):
    if 'datacheck' not in url and '.0100' in url and '11111' in url:
        print("stored", ctadata.fetch_and_save_file(url)/1024/1024, "Mb")
        print("found keys", h5py.File(url.split("/")[-1]).keys())
"""
TREE = """
import ctadata
ctadata.fetch_and_save_file_or_dir("lst/some-data-dir", recursive=True)
"""
UPLOADS = """
import ctadata
first = ctadata.upload_file("latest.txt", "your-folder/new-file-name.md")
second = ctadata.upload_file("latest.txt", "your-folder/")       # your-folder/latest.txt
"""
WEBDAV = """
import ctadata
client = ctadata.webdav4_client()
listed = client.ls("/")
"""
UPLOAD_FILE = """
client.uploadFile("example.txt", "remote/example.txt")
"""
CERTIFICATE = """
import ctadata
said = ctadata.upload_certificate('yourcertificate.crt')
"""


def executed(code: str, **names: object) -> dict[str, object]:
    """Run the code, and return its names."""
    exec(compile(code, "notebook", "exec"), names)
    return names


@pytest.fixture
def run_h5(on_platform: Platform, tmp_path: Path) -> bytes:
    """The one file of the folder that the loop selects."""
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file["dl1/event"] = list(range(1000))
        file["simulation"] = [1.0]
    for other in ("datacheck_dl1_LST-1.Run11111.0100.h5", "dl1_LST-1.Run11111.0101.h5", "dl1_LST-1.Run22222.0100.h5"):
        on_platform.put(f"{FOLDER}/{other}", b"not HDF5")
    return on_platform.put(CHOSEN, (tmp_path / "run.h5").read_bytes())


def test_the_loop_over_a_listing_fetches_what_it_chooses(on_platform, run_h5, here: Callable, capsys):
    executed(LOOP, h5py=h5py)
    assert here() == [Path(CHOSEN).name]
    assert Path(CHOSEN).name in here()
    assert Path(Path(CHOSEN).name).read_bytes() == run_h5
    stored, found = capsys.readouterr().out.splitlines()
    assert stored == f"stored {len(run_h5) / 1024 / 1024} Mb"
    assert found == "found keys <KeysViewHDF5 ['dl1', 'simulation']>"


def test_a_directory_comes_into_its_full_path(on_platform: Platform, here: Callable):
    for name in ("a", "sub/b"):
        on_platform.put(f"lst/some-data-dir/{name}", name.encode())
    executed(TREE)
    assert here() == ["lst/some-data-dir/a", "lst/some-data-dir/sub/b"]


def test_uploads_to_a_name_and_into_a_folder(on_platform: Platform):
    Path("latest.txt").write_text("the latest")
    done = executed(UPLOADS)
    folder = "lst/users/volodymyr_savchenko_epfl_ch/your-folder"
    assert done["first"] == {"path": f"{folder}/new-file-name.md", "status": "uploaded", "total_written": 10}
    assert done["second"] == {"path": f"{folder}/latest.txt", "status": "uploaded", "total_written": 10}
    assert on_platform.tree(folder) == ["latest.txt", "new-file-name.md"]


def test_the_webdav_client_lists_and_writes_below_the_home(on_platform: Platform):
    Path("example.txt").write_text("an example")
    names = executed(WEBDAV)
    listed = {str(entry["name"] if isinstance(entry, dict) else entry).strip("/") for entry in names["listed"]}
    assert {"lst", "cta"} <= {name.rpartition("/")[2] for name in listed}
    with pytest.raises(CtadataError) as caught:
        executed(UPLOAD_FILE, **names)
    assert on_platform.home in str(caught.value)
    assert "\n" not in str(caught.value)
    assert on_platform.tree(on_platform.home) == []
    home = on_platform.home
    names["client"].uploadFile("example.txt", f"{home}/remote/example.txt")
    assert on_platform.read(f"{home}/remote/example.txt") == b"an example"
    names["client"].http.close()


def test_the_path_that_the_error_suggests_works(on_platform: Platform):
    Path("example.txt").write_text("an example")
    client = ctadata.webdav4_client()
    with pytest.raises(CtadataError) as caught:
        client.uploadFile("example.txt", "remote/example.txt")
    named = next(word for word in str(caught.value).replace("(", " ").replace(")", " ").split() if "users" in word)
    client.uploadFile("example.txt", named.strip(",;:'\"").strip("/"))
    client.http.close()
    assert on_platform.read(f"{on_platform.home}/remote/example.txt") == b"an example"


def test_a_certificate_goes_up_by_its_short_name(on_platform: Platform):
    Path("yourcertificate.crt").write_bytes(on_platform.papers.certificate())
    said = executed(CERTIFICATE)["said"]
    assert on_platform.certificates.file(on_platform.user, "cta").exists()
    assert "cta" in str(said)


def test_addresses_and_token_set_after_the_import(platform: Platform, monkeypatch):
    for name in ("CTADS_URL", "CTACS_URL", "JUPYTERHUB_API_TOKEN"):
        monkeypatch.setenv(name, "")
    platform.put("lst/f", b"12")
    code = "import ctadata, os\nos.environ.update(settings)\nlisted = ctadata.list_dir('lst')\n"
    settings = {
        "CTADS_URL": platform.ds_url, "CTACS_URL": platform.cs_url, "JUPYTERHUB_API_TOKEN": platform.token
    }  # fmt: skip
    assert "lst/f" in executed(code, settings=settings)["listed"]
    assert os.environ["CTADS_URL"] == platform.ds_url


def test_the_commands(on_platform: Platform, here: Callable, run):
    for name in ("a", "sub/b"):
        on_platform.put(f"lst/some-data-dir/{name}", name.encode())
    run("ctadata", "get", "--recursive", "lst/some-data-dir", check=0)
    assert here() == ["lst/some-data-dir/a", "lst/some-data-dir/sub/b"]
    Path("latest-file-list").write_text("a list")
    run("cta-data", "put", "latest-file-list", "latest-file-list-bla-bla", check=0)
    assert on_platform.read(f"{on_platform.home}/latest-file-list-bla-bla") == b"a list"
    Path("proxy.pem").write_bytes(on_platform.papers.certificate())
    run("cta-data", "upload-personal-certificate", "proxy.pem", "lst", check=0)
    assert on_platform.certificates.file(on_platform.user, "lst").exists()


def test_the_commands_of_an_admin(on_platform: Platform, run, monkeypatch):
    Path("proxy.pem").write_bytes(on_platform.papers.certificate())
    assert run("cta-data", "upload-shared-certificate", "proxy.pem").code == 4
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", on_platform.hub.issue("administrator", admin=True))
    run("cta-data", "upload-shared-certificate", "proxy.pem", check=0)
    assert on_platform.certificates.shared == Path("proxy.pem").read_bytes()
    run("cta-data", "upload-personal-certificate", "--user", "gitlab_ctao_x", "proxy.pem", "lst", check=0)
    assert on_platform.certificates.file("gitlab_ctao_x", "lst").exists()
