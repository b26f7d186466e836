"""The notebook about analysis, executed with the libraries at the sandbox: its stored outputs are what comes.

`CTADATA_WRITE_NOTEBOOK=1 .venv/bin/python -m pytest -n0 --full tests/filesystem/test_analysis_notebook.py` stores them.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

from ctadata.filesystem import CtaFileSystem
from ctadata.sandbox import Sandbox

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "analysis.ipynb"
WRITE = bool(os.environ.pop("CTADATA_WRITE_NOTEBOOK", ""))
PATIENCE = 600
SIZE = 60_000
"""Bytes of the notebook with its outputs, at most."""


@pytest.fixture
def executed(
    analysis: Path, box: Sandbox, fs: CtaFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> nbformat.NotebookNode:
    """The notebook, after its cells have run in a kernel that has the libraries."""
    kernel = tmp_path / "jupyter" / "kernels" / "analysis"
    kernel.mkdir(parents=True)
    argv = [str(analysis), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "analysis", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        (Path(os.environ[name]) / "astropy").mkdir(parents=True, exist_ok=True)
    notebook = nbformat.read(PAGE, as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=PATIENCE,
        kernel_name="analysis",
        resources={"metadata": {"path": str(tmp_path)}},
        coalesce_streams=True,
        record_timing=False,
    )
    asyncio.run(client.async_execute())
    return notebook


def kept(outputs: list[Any]) -> list[Any]:
    """The outputs without what Dask logs, as about a process that a busy machine lets wait."""
    return [output for output in outputs if output.get("name") != "stderr"]


def shown(notebook: nbformat.NotebookNode) -> list[dict[str, Any]]:
    """The texts of each output, and of a picture its width and height: pixels may differ from machine to machine."""
    found = []
    for output in [output for cell in notebook.cells if cell.cell_type == "code" for output in kept(cell.outputs)]:
        data = dict(output.get("data", {}))
        if picture := data.pop("image/png", None):
            data["size"] = base64.b64decode(picture)[:24]  # a PNG begins with both
        found.append({"name": output.get("name"), "text": output.get("text"), **data})
    return found


def test_the_notebook_shows_what_comes(executed: nbformat.NotebookNode) -> None:
    if WRITE:
        executed.metadata = nbformat.read(PAGE, as_version=4).metadata
        for cell in executed.cells:
            cell.metadata = {}
            if cell.cell_type == "code":
                cell.outputs = kept(cell.outputs)
        nbformat.write(executed, PAGE)
    stored = nbformat.read(PAGE, as_version=4)
    assert shown(executed) == shown(stored)
    assert "/tmp/" not in PAGE.read_text()
    assert PAGE.stat().st_size < SIZE
