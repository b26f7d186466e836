"""The storage as a panel in JupyterLab, beside the local files.

Two commands set it up::

    pip install 'ctadata[jupyter]'
    jupyter server extension enable ctadata.jupyter

The panel is that of jupyter-fs. What it shows, opens and saves comes from `ctadata.jupyter.contents`: files are
verified, an upload appears whole or not at all, and a slow storage does not stop the kernels. The server finds the
login by the name of the profile at each request, so a login or a new token needs no restart.

Other panels are resources of jupyter-fs, in JupyterLab's settings or in the server's configuration: `cta://dev/`,
`cta:///~/results`, the URL of an S3 profile, and every other kind that jupyter-fs knows.
"""

from __future__ import annotations

import importlib.util
from typing import Any

PANEL = {"name": "CTA storage", "url": "cta:///"}
"""The resource that is there if the configuration of the server names none."""

SNIPPETS = [
    {
        "label": "Open with fsspec",
        "caption": "Read only the parts of this file that are wanted",
        "pattern": "^cta:.*[^/]$",
        "template": 'import fsspec\n\nfile = fsspec.open("{{full_url}}").open()\n',
    },
    {
        "label": "Make a local copy",
        "caption": "A verified copy, for libraries that open local paths only",
        "pattern": "^cta:///.*[^/]$",
        "template": 'from ctadata import direct\n\npath = direct.local("/{{path}}")\n',
    },
]
"""Lines of Python that the menu of a file in the panel copies."""


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "ctadata.jupyter"}]


def _link_jupyter_server_extension(server: Any) -> None:
    """Choose the manager of contents before the server makes it; the one that the user has chosen keeps local files."""
    if not _has_jupyterfs():
        server.log.error("no panel of the storage, because jupyter-fs is missing: pip install 'ctadata[jupyter]'")
        return
    from jupyterfs.metamanager import MetaManagerShared

    from ctadata.jupyter.panels import PanelContents

    chosen = server.config.ServerApp.get("contents_manager_class")
    settings = server.config.JupyterFs
    if chosen and "root_manager_class" not in settings and not _is_subclass(chosen, MetaManagerShared):
        settings.root_manager_class = chosen
    if "resources" not in settings:
        settings.resources = [dict(PANEL)]
    if "snippets" not in settings:
        settings.snippets = [dict(snippet) for snippet in SNIPPETS]
    server.contents_manager_class = PanelContents


def _is_subclass(chosen: Any, base: type) -> bool:
    from traitlets.utils.importstring import import_item

    return issubclass(import_item(chosen) if isinstance(chosen, str) else chosen, base)


def _load_jupyter_server_extension(server: Any) -> None:
    """Add the pages that the panel asks for its resources."""
    if _has_jupyterfs():
        from jupyterfs import extension

        extension._load_jupyter_server_extension(server)


def _has_jupyterfs() -> bool:
    return importlib.util.find_spec("jupyterfs") is not None
