"""A subset of a remote HDF5 file is a valid file with these nodes, and costs few requests."""

from __future__ import annotations

import errno
import io
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from filesystem.conftest import requests, wait_for_no_movers
from servers.agent_token import give_token

from ctadata import direct, hdf5_subset
from ctadata.errors import ConfigError, IntegrityError, LocalError, LoginNeeded, NotFound, Unsupported, UsageError
from ctadata.filesystem import CtaFileSystem
from ctadata.sandbox import Sandbox, faults

PATH = "/lst/run1/dl2.h5"
TELESCOPES, ROWS, CHUNK = 12, 100_000, 5_000
TABLE = "/dl2/event/telescope/tel_007"
ROW = np.dtype([("energy", "f8"), ("alt", "f8"), ("id", "i8")])


def rows(telescope: int) -> np.ndarray:
    made = np.zeros(ROWS, ROW)
    made["energy"] = np.random.default_rng(telescope).random(ROWS)
    made["id"] = np.arange(ROWS) + telescope
    return made


@pytest.fixture(scope="module")
def content() -> bytes:
    """12 tables of 2.4 MB in 20 chunks each."""
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        file.attrs["CLASS"] = np.bytes_("GROUP")
        file.attrs["TITLE"] = h5py.Empty("S1")
        file.attrs["name"] = "größe"
        for telescope in range(TELESCOPES):
            data = file.create_dataset(
                f"dl2/event/telescope/tel_{telescope:03}", data=rows(telescope), chunks=(CHUNK,), shuffle=True
            )
            data.attrs["telescope"] = telescope
        file["dl2/event"].attrs["level"] = "DL2"
        file["configuration/plain"] = np.arange(1000)
        file["configuration/link"] = h5py.SoftLink("/configuration/plain")
    return made.getvalue()


@pytest.fixture(autouse=True)
def _file(box: Sandbox, fs: CtaFileSystem, content: bytes) -> None:
    box.files.put(PATH, content)
    box.forget_seen()


def test_a_subset_has_the_nodes_as_they_were(content: bytes, tmp_path: Path) -> None:
    path = direct.subset(PATH, [TABLE, "configuration"], tmp_path / "part.h5")
    assert path == tmp_path / "part.h5"
    with h5py.File(path) as found, h5py.File(io.BytesIO(content)) as whole:
        assert (found[TABLE][:] == rows(7)).all()
        assert (found[TABLE].chunks, found[TABLE].shuffle) == ((CHUNK,), True)
        assert dict(found[TABLE].attrs) == {"telescope": 7}
        assert found["configuration/link"][5] == 5
        assert found["dl2/event"].attrs["level"] == "DL2"
        for name in whole.attrs:
            assert found.attrs[name] == whole.attrs[name]
            assert found.attrs.get_id(name).get_type() == whole.attrs.get_id(name).get_type()
        assert list(found["dl2/event/telescope"]) == ["tel_007"]
    assert [each.name for each in tmp_path.glob("*.h5")] == ["part.h5"]


def test_a_table_of_2_megabytes_takes_few_requests(box: Sandbox, content: bytes, tmp_path: Path) -> None:
    direct.subset(PATH, [TABLE], tmp_path / "part.h5")
    assert len(content) > 28_000_000
    assert requests(box)["door"] <= 2  # what the file is, and where
    assert requests(box).total() <= 8
    assert sum(asked.last + 1 - asked.first for asked in box.transfer_log.requested()) <= 4_000_000
    assert box.transfer_log.broken() == []
    wait_for_no_movers(box)


def test_many_chunks_come_in_batches(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5_subset, "BATCH", 300_000)
    with h5py.File(direct.subset(PATH, ["/"], tmp_path / "part.h5")) as found:
        for telescope in range(TELESCOPES):
            assert (found[f"dl2/event/telescope/tel_{telescope:03}"][:] == rows(telescope)).all()


def test_a_subset_without_a_target_is_kept_in_the_cache(box: Sandbox, content: bytes) -> None:
    kept = direct.subset(PATH, [TABLE])
    asked = len(box.transfer_log.requested())
    assert direct.subset(PATH, [TABLE, TABLE + "/"]) == kept
    assert len(box.transfer_log.requested()) == asked
    assert kept.stat().st_mode & 0o777 == 0o400
    other = direct.subset(PATH, ["configuration"])
    assert other != kept
    assert direct.local(PATH) not in (kept, other)
    box.files.put(PATH, content + b"\0")
    assert direct.subset(PATH, [TABLE]) != kept


@pytest.mark.parametrize(
    ("path", "nodes", "kind", "says"),
    [
        (PATH, ["/dl3"], NotFound, "no node /dl3"),
        (PATH, [], UsageError, "list of nodes"),
        (PATH, TABLE, UsageError, "list of nodes"),
        (PATH, [5], UsageError, "each one a path"),
        ("/lst/none.h5", [TABLE], NotFound, "none.h5"),
        ("/lst/run1", [TABLE], UsageError, "directory"),
        ("/lst/text.h5", [TABLE], UsageError, "cannot open"),
        ("/lst/empty.h5", [TABLE], UsageError, "cannot open"),
        ("/lst/short.h5", [TABLE], UsageError, "cannot open"),
    ],
)
@pytest.mark.parametrize("is_kept", [False, True])
def test_what_is_wrong_is_an_error_and_leaves_no_file(
    box: Sandbox, content: bytes, tmp_path: Path, path: str, nodes: list[str], kind: type, says: str, is_kept: bool
) -> None:
    box.files.put("/lst/text.h5", b"text" * 1000)
    box.files.put("/lst/empty.h5", b"")
    box.files.put("/lst/short.h5", content[:1_000_000])
    (tmp_path / "there").mkdir()
    with pytest.raises(kind, match=says):
        direct.subset(path, nodes, None if is_kept else tmp_path / "there" / "part.h5")
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.parametrize("read", [0, 1, 2])
def test_an_error_of_the_storage_is_not_lost_in_h5py(box: Sandbox, tmp_path: Path, read: int) -> None:
    box.faults.add("pool", "GET", PATH, faults.WrongRange(), skip=read)
    with pytest.raises(IntegrityError):
        direct.subset(PATH, [TABLE], tmp_path / "part.h5")
    assert not (tmp_path / "part.h5").exists()


def test_a_refused_token_is_said(box: Sandbox, tmp_path: Path) -> None:
    give_token("sandbox", box.token(lifetime=-60))
    with pytest.raises(LoginNeeded):
        direct.subset(PATH, [TABLE], tmp_path / "part.h5")


def test_without_h5py_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ConfigError, match="h5py"):
        direct.subset(PATH, [TABLE], tmp_path / "part.h5")


def test_what_h5py_cannot_copy_names_the_remote_file_and_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("required filter is not registered")

    monkeypatch.setattr(h5py.File, "copy", refuse)
    with pytest.raises(Unsupported, match=r"/lst/run1/dl2.h5: .*not registered .*direct\.local"):
        direct.subset(PATH, [TABLE], tmp_path / "part.h5")
    assert list(tmp_path.glob("*.h5")) == []


def test_a_full_disk_is_a_local_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(h5py.File, "copy", refuse)
    with pytest.raises(LocalError, match="No space left"):
        direct.subset(PATH, [TABLE], tmp_path / "part.h5")


@pytest.mark.parametrize("to", [".", "..", "folder"])
def test_a_directory_is_no_target(to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    with pytest.raises(UsageError, match="the target is a directory"):
        direct.subset(PATH, [TABLE], to)
    assert not list(Path("folder").iterdir())
    assert not list(tmp_path.glob(".ctadata-*"))
