"""The Python API of the storage itself, with the token that the agent keeps fresh.

Example::

    from ctadata import direct

    for path in direct.list_dir("cta/DL1"):
        if path.endswith(".h5"):
            print(direct.fetch_and_save_file(path), "bytes")
    direct.upload_file("latest.txt", "results/")       # below your home: results/latest.txt
    direct.find("home:", name="*.tmp", older="7d")     # also stat, tree, du, cat, checksum, mkdir, mv, rm, ...

Log in once with ``direct.login()`` or ``cta-data-direct start-agent``. ``CTADATA_PROFILE`` chooses the site. The import
reads no file and sends no request. Only ``login`` prints anything.
"""

import sys

from ctadata.direct.api import (
    APIClient,
    Listed,
    Listing,
    Upload,
    fetch_and_save_file,
    fetch_and_save_file_or_dir,
    list_dir,
    upload_dir,
    upload_file,
    webdav4_client,
)
from ctadata.direct.changes import mkdir, mv, rm, rmdir
from ctadata.direct.login import agent_status, login, start_agent_daemon
from ctadata.direct.many import get_many, put_many
from ctadata.direct.names import checksum, du, exists, find, get_home, stat, tree
from ctadata.direct.reads import cat, local, open, subset
from ctadata.errors import PartialFailure

__all__ = [
    "APIClient",
    "Listed",
    "Listing",
    "PartialFailure",
    "Upload",
    "agent_status",
    "cat",
    "checksum",
    "direct",
    "du",
    "exists",
    "fetch_and_save_file",
    "fetch_and_save_file_or_dir",
    "find",
    "get_home",
    "get_many",
    "list_dir",
    "local",
    "login",
    "mkdir",
    "mv",
    "open",
    "put_many",
    "rm",
    "rmdir",
    "start_agent_daemon",
    "stat",
    "subset",
    "tree",
    "upload_dir",
    "upload_file",
    "webdav4_client",
]

direct = sys.modules[__name__]
"""This module itself: scripts that say ``import ctadata.direct as ctadata`` call ``ctadata.direct.upload_file``."""
