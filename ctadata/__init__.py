"""Files on CTA storage: the functions of the JupyterHub platform; `ctadata.direct` talks to the storage itself.

::

    import ctadata

    for path in ctadata.list_dir("cta/DL1"):
        if path.endswith(".h5"):
            print(ctadata.fetch_and_save_file(path), "bytes")
    ctadata.upload_file("latest.txt", "results/")      # below your home: results/latest.txt

On the platform no setting is needed. Elsewhere each call reads CTADS_URL and JUPYTERHUB_API_TOKEN. A module is imported
when one of its names is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctadata import api, direct
    from ctadata.direct.login import start_agent_daemon
    from ctadata.errors import PartialFailure
    from ctadata.service.certificate_functions import (
        certificate_status,
        upload_certificate,
        upload_personal_certificate,
        upload_shared_certificate,
    )
    from ctadata.service.client import APIClient
    from ctadata.service.functions import (
        fetch_and_save_file,
        fetch_and_save_file_or_dir,
        list_dir,
        upload_dir,
        upload_file,
        webdav4_client,
    )

    __version__: str

__all__ = [
    "APIClient",
    "PartialFailure",
    "api",
    "certificate_status",
    "direct",
    "fetch_and_save_file",
    "fetch_and_save_file_or_dir",
    "list_dir",
    "start_agent_daemon",
    "upload_certificate",
    "upload_dir",
    "upload_file",
    "upload_personal_certificate",
    "upload_shared_certificate",
    "webdav4_client",
]

_MODULE_OF = {
    "APIClient": "ctadata.service.client",
    "PartialFailure": "ctadata.errors",
    "start_agent_daemon": "ctadata.direct.login",
    **dict.fromkeys(
        (
            "certificate_status",
            "upload_certificate",
            "upload_personal_certificate",
            "upload_shared_certificate",
        ),
        "ctadata.service.certificate_functions",
    ),
}
_MODULES = {"api", "direct"}


def __getattr__(name: str) -> Any:
    """Return a public name, and import its module at the first use (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("ctadata")
        except PackageNotFoundError:  # a checkout that is not installed
            return "unknown"
    if name not in __all__:
        raise AttributeError(f"module 'ctadata' has no attribute {name!r}")
    if name in _MODULES:
        return import_module(f"ctadata.{name}")
    return getattr(import_module(_MODULE_OF.get(name, "ctadata.service.functions")), name)


def __dir__() -> list[str]:
    """Return the public names, for completion."""
    return [*__all__, "__version__"]
