"""The guide's notebook, executed by a kernel: what it stores as its outputs is what comes."""

import asyncio
import os
from pathlib import Path

import nbclient
import nbformat
import pytest
from servers.platform_site import Platform

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "platform.ipynb"
CHANGES = {"execution_count", "metadata", "id"}
PATIENCE = 120


@pytest.fixture
def executed(on_platform: Platform) -> nbformat.NotebookNode:
    """The notebook, after its cells have run in a kernel of their own."""
    for name, content in (("run1/events.h5", b"events"), ("run2/log/a.txt", b"log")):
        on_platform.put(f"lst/{name}", content)
    for path in sorted(on_platform.files.rglob("*"), reverse=True):
        os.utime(path, (1.8e9, 1.8e9))
    notebook = nbformat.read(PAGE, as_version=4)
    here = {"metadata": {"path": os.getcwd()}}
    # what is printed a fifth of a second later comes as an output of its own
    client = nbclient.NotebookClient(notebook, timeout=PATIENCE, resources=here, coalesce_streams=True)
    asyncio.run(client.async_execute())
    return notebook


def shown(notebook: nbformat.NotebookNode) -> list[dict[str, object]]:
    """The outputs of each cell as texts and pictures, without what differs from run to run (the ids of widgets)."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return [
        {"text": output.get("text"), **{k: v for k, v in output.get("data", {}).items() if "widget" not in k}}
        for output in outputs
        if output.get("name") != "stderr"
    ]


def test_the_notebook_of_the_guide_shows_what_it_says(executed: nbformat.NotebookNode) -> None:
    listing, *_ = shown(executed)
    assert "<table>" in str(listing["text/html"])
    assert "events.h5" in str(listing["text/html"])
    assert [
        w for cell in executed.cells for out in cell.get("outputs", []) for w in out.get("data", {}) if "widget" in w
    ]
    assert shown(executed) == shown(nbformat.read(PAGE, as_version=4))
