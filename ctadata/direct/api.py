"""The transfer functions of `ctadata.direct`, and the names that scripts written for 0.6 import from here."""

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

# The exception names of 0.6 and 0.7. Each one catches today's errors for the same causes.
DirectApiError = CtadataError
StorageException = CtadataError
TokenError = AccessError
TokenExpiredError = AccessError
ClientSecretNotFound = ConfigError
EnvironmentError = ConfigError


def list_dir(
    path: PathText, recursive: bool = False, n_threads: int | None = None, *, dev_instance: bool = False
) -> Listing:
    """List the paths in a directory. The directory itself is not among them.

    Args:
        path: The directory, from the root of the storage; `home:x` is below your home. For a file, the list is that
            file.
        recursive: Also list everything below the directory's subdirectories.
        n_threads: How many directories are listed at the same time. None chooses a number that suits most doors.
        dev_instance: Use the development site. It means the same in every function of `ctadata.direct`.

    Returns:
        Paths that you can pass to the other functions. Each is a string with `kind`, `size` and `mtime`. Without
        `recursive` they are sorted by name.

    Raises:
        NotFound: No such file or directory exists.
        LoginNeeded: There is no token, or the storage does not accept it.
        Forbidden: Your token is valid, but it does not allow this.
        TemporaryError: The server is busy or cannot be reached. All errors are in `ctadata.errors`.

    Examples:
        >>> for path in direct.list_dir("cta/DL1", recursive=True):
        ...     print(path, path.size)
    """
    return APIClient(dev_instance).list_dir(path, recursive, n_threads)


def fetch_and_save_file(
    path: PathText,
    save_to_fn: PathText | None = None,
    *,
    progress: Progress | None = None,
    limit_rate: str | float | None = None,
    dev_instance: bool = False,
) -> int:
    """Download one file and verify it.

    An equal local file is not downloaded again. A local file that differs is replaced after the new one is verified.

    Args:
        path: The file on the storage.
        save_to_fn: The local file, or the directory to put the file in. None keeps its name, in the current directory.
        progress: True shows a progress bar, or a widget in a notebook. You can also pass a reporter of
            `ctadata.progress`.
        limit_rate: The largest number of bytes per second, of all files together, as a number or as `"10M"`.
        dev_instance: As in `list_dir`.

    Returns:
        The size of the file in bytes.

    Raises:
        NotFound: No such file exists.
        UsageError: The path is a directory.
        IntegrityError: The bytes that arrived do not match the checksum or the size.
        LocalError: The local file cannot be written.
        CtadataError: Any error that `list_dir` raises.

    Examples:
        >>> direct.fetch_and_save_file("cta/DL1/run1.h5", "data/")
        104857600
    """
    return APIClient(dev_instance).fetch_and_save_file(path, save_to_fn, progress=progress, limit_rate=limit_rate)


def fetch_and_save_file_or_dir(
    path: PathText,
    recursive: bool = False,
    *,
    save_to_fn: PathText | None = None,
    progress: Progress | None = None,
    limit_rate: str | float | None = None,
    dev_instance: bool = False,
) -> int:
    """Download a file, or with `recursive` a directory with everything below it.

    The directory `a/b` becomes `./b/...`. The directory `a/b/`, with a slash at the end, puts its contents directly
    here.

    Args:
        path: The file or directory on the storage.
        recursive: Allow a directory.
        save_to_fn: The local target. None is the current directory.
        progress: As in `fetch_and_save_file`.
        limit_rate: As in `fetch_and_save_file`.
        dev_instance: As in `list_dir`.

    Returns:
        The size of all files together, in bytes.

    Raises:
        PartialFailure: Some files failed; all others were downloaded. `failures` has one error for each failed file,
            and `done` the sizes of the others.
        CtadataError: Any error that `fetch_and_save_file` raises.

    Examples:
        >>> direct.fetch_and_save_file_or_dir("cta/DL1", recursive=True, save_to_fn="data")
    """
    client = APIClient(dev_instance)
    return client.fetch_and_save_file_or_dir(
        path, recursive, save_to_fn=save_to_fn, progress=progress, limit_rate=limit_rate
    )


def upload_file(
    local_fn: PathText,
    path: PathText,
    *,
    no_clobber: bool = False,
    normalize: str | None = None,
    progress: Progress | None = None,
    limit_rate: str | float | None = None,
    dev_instance: bool = False,
) -> Upload:
    """Upload one file and verify it.

    Args:
        local_fn: The local file.
        path: The new name on the storage. A relative path is below your home. The file keeps its name if the path ends
            with `/` or is a directory.
        no_clobber: Never replace a file on the storage that differs.
        normalize: `"nfc"` converts the names to Unicode's normal form NFC. None keeps them.
        progress: As in `fetch_and_save_file`.
        limit_rate: As in `fetch_and_save_file`.
        dev_instance: As in `list_dir`.

    Returns:
        A dictionary: `path` is the new path from the root, `total_written` is the size in bytes, and `status` is
        `uploaded`, `unchanged` (an equal file was there) or `kept` (`no_clobber` kept a different one).

    Raises:
        NotFound: The local file does not exist.
        Forbidden: You may not write there.
        StorageFull: The quota or the pool has no room.
        IntegrityError: The storage's checksum differs from the local file's.
        CtadataError: Any error that `list_dir` raises.

    Examples:
        >>> direct.upload_file("latest.txt", "results/")
    """
    return APIClient(dev_instance).upload_file(
        local_fn, path, no_clobber=no_clobber, normalize=normalize, progress=progress, limit_rate=limit_rate
    )


def upload_dir(
    local_dir: PathText,
    path: PathText,
    *,
    no_clobber: bool = False,
    normalize: str | None = None,
    progress: Progress | None = None,
    limit_rate: str | float | None = None,
    dev_instance: bool = False,
) -> list[Upload]:
    """Upload the contents of a local directory.

    Args:
        local_dir: The local directory.
        path: The directory on the storage that gets the contents. It is created if it does not exist.
        no_clobber: As in `upload_file`.
        normalize: As in `upload_file`.
        progress: As in `fetch_and_save_file`.
        limit_rate: As in `fetch_and_save_file`.
        dev_instance: As in `list_dir`.

    Returns:
        The result of `upload_file` for each file.

    Raises:
        PartialFailure: Some files failed; all others were uploaded. `failures` has one error for each failed file.
        CtadataError: Any error that `upload_file` raises.

    Examples:
        >>> direct.upload_dir("plots", "results/plots")
    """
    return APIClient(dev_instance).upload_dir(
        local_dir, path, no_clobber=no_clobber, normalize=normalize, progress=progress, limit_rate=limit_rate
    )


def webdav4_client(*, dev_instance: bool = False) -> WebDAV4Client:
    """Return a client of the library webdav4 for the storage, with `ls`, `download_file`, `upload_file` and more.

    The client reads the token before each request, so a long job always sends the agent's current token. Only the door
    receives the token. If the door redirects to a pool, the client asks the pool without it.

    Args:
        dev_instance: As in `list_dir`.

    Examples:
        >>> client = direct.webdav4_client()
        >>> client.ls("cta/DL1", detail=False)
    """
    return APIClient(dev_instance).webdav4_client()
