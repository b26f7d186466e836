"""The functions of `ctadata.direct`, and the names that scripts written for 0.6 import from here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctadata.direct.client import APIClient, PathText
from ctadata.errors import AccessError, ConfigError, CtadataError
from ctadata.listed_paths import Listed, Listing
from ctadata.progress.reporters import Progress
from ctadata.transfer.results import Upload

if TYPE_CHECKING:
    from webdav4.client import Client as WebDAV4Client

__all__ = [
    "APIClient",
    "ClientSecretNotFound",
    "DirectApiError",
    "EnvironmentError",
    "Listed",
    "Listing",
    "StorageException",
    "TokenError",
    "TokenExpiredError",
    "Upload",
    "fetch_and_save_file",
    "fetch_and_save_file_or_dir",
    "list_dir",
    "upload_dir",
    "upload_file",
    "webdav4_client",
]

# The exception names of 0.6 and 0.7. Each catches the errors that ours of today correspond to.
DirectApiError = CtadataError
StorageException = CtadataError
TokenError = AccessError
TokenExpiredError = AccessError
ClientSecretNotFound = ConfigError
EnvironmentError = ConfigError


def list_dir(
    path: PathText, recursive: bool = False, n_threads: int | None = None, *, dev_instance: bool = False
) -> Listing:
    """The paths in a directory; with `recursive`, in all below it as well. The directory itself is not among them.

    path: from the root of the storage; `home:x` is below your home. A file's listing is the file.
    n_threads: directories listed at a time, None for what suits most doors.
    dev_instance: at the development site; the same for every function here.
    Raises NotFound, LoginNeeded, Forbidden, TemporaryError (all of `ctadata.errors`).
    """
    return APIClient(dev_instance).list_dir(path, recursive, n_threads)


def fetch_and_save_file(
    path: PathText,
    save_to_fn: PathText | None = None,
    *,
    progress: Progress | None = None,
    dev_instance: bool = False,
) -> int:
    """Download one file and verify it; gives its size in bytes.

    save_to_fn: the local file, or a directory to put it in; None: its own name, here. An equal file that is
    there already is not fetched again; one that differs is replaced once the new one is verified.
    progress: True for a bar, in a notebook as a widget; else a reporter of `ctadata.progress`. The same for others.
    Raises NotFound, UsageError (a directory), IntegrityError, LocalError and what `list_dir` raises.
    """
    return APIClient(dev_instance).fetch_and_save_file(path, save_to_fn, progress=progress)


def fetch_and_save_file_or_dir(
    path: PathText,
    recursive: bool = False,
    *,
    save_to_fn: PathText | None = None,
    progress: Progress | None = None,
    dev_instance: bool = False,
) -> int:
    """Download a file, or with `recursive` a directory with all it holds, to here; gives the bytes of all files.

    `a/b` becomes `./b/...`; `a/b/`, with a slash, its contents here. Every file is tried; PartialFailure tells
    then which failed, and with `.done` the number of bytes of each that did not.
    """
    client = APIClient(dev_instance)
    return client.fetch_and_save_file_or_dir(path, recursive, save_to_fn=save_to_fn, progress=progress)


def upload_file(
    local_fn: PathText,
    path: PathText,
    *,
    no_clobber: bool = False,
    normalize: str | None = None,
    progress: Progress | None = None,
    dev_instance: bool = False,
) -> Upload:
    """Upload one file and verify it.

    path: the file's new name, below your home unless it is absolute; a directory where it ends in `/` or is one.
    no_clobber: a file that is there and differs stays as it is.
    normalize: "nfc" gives the names Unicode's normal form NFC on the storage; None: they stay as they are.
    Raises NotFound (the local file), Forbidden, StorageFull, IntegrityError and what `list_dir` raises.
    """
    return APIClient(dev_instance).upload_file(
        local_fn, path, no_clobber=no_clobber, normalize=normalize, progress=progress
    )


def upload_dir(
    local_dir: PathText,
    path: PathText,
    *,
    no_clobber: bool = False,
    normalize: str | None = None,
    progress: Progress | None = None,
    dev_instance: bool = False,
) -> list[Upload]:
    """Upload the contents of a local directory into the directory `path`, which is made where it is missing.

    no_clobber, normalize: as for `upload_file`.
    Gives what `upload_file` gives, for each file. Every file is tried; PartialFailure tells then which failed.
    """
    return APIClient(dev_instance).upload_dir(
        local_dir, path, no_clobber=no_clobber, normalize=normalize, progress=progress
    )


def webdav4_client(*, dev_instance: bool = False) -> WebDAV4Client:
    """A client of the library webdav4 at the storage: `ls`, `download_file`, `upload_file` and more.

    The token is looked up at each request, so that it is the agent's of that moment. It goes to the door alone; where
    the door redirects to a pool, the pool is asked without it.
    """
    return APIClient(dev_instance).webdav4_client()
