"""The extension in a server without jupyter-fs, as after a plain `pip install ctadata`."""

import importlib.util
import logging
from types import SimpleNamespace

import pytest

from ctadata import jupyter


def test_a_server_without_jupyterfs_starts_as_before(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    server = SimpleNamespace(log=logging.getLogger("server"), contents_manager_class="its own")
    jupyter._link_jupyter_server_extension(server)
    jupyter._load_jupyter_server_extension(server)
    assert server.contents_manager_class == "its own"
    assert "pip install 'ctadata[jupyter]'" in caplog.text
