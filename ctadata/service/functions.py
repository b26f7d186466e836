"""The functions of `ctadata` for files: one call each, with the keyword arguments of earlier versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctadata.listed_paths import Listing
from ctadata.progress.reporters import Progress
from ctadata.service.client import make_client
from ctadata.service.endpoints import PathText
from ctadata.transfer.results import Upload

if TYPE_CHECKING:
    from webdav4.client import Client as WebDAV4Client


def list_dir(
    path: PathText = "/",
    recursive: bool = False,
    n_threads: int | None = None,
    *,
    token: str | None = None,
    downloadservice: str | None = None,
    certificateservice: str | None = None,
    chunk_size: int | None = None,
    dev_instance: bool = False,
) -> Listing:
    """List the paths in a directory. The directory itself comes first.

    Args:
        path: The directory, from the root of the storage; `home:x` is below your home. For a file, the list is that
            file.
        recursive: Also list everything below the directory's subdirectories.
        n_threads: How many directories are listed at the same time. None chooses a small number.
        token: The token to send. None takes JUPYTERHUB_API_TOKEN from the environment, at each call.
        downloadservice: The address of the download service. None takes CTADS_URL, or the platform's own address.
        certificateservice: The address of the certificate service. None takes CTACS_URL, or the platform's own address.
        chunk_size: How many bytes the service reads at a time. None leaves it to the service.
        dev_instance: Must be false: the download service has no development instance. `token`, `downloadservice`,
            `certificateservice`, `chunk_size` and `dev_instance` mean the same in every function of this module.

    Returns:
        Paths that you can pass to the other functions. Each is a string with `kind`, `size` and `mtime`. A notebook
        shows the list as a table.

    Raises:
        NotFound: No such file or directory exists.
        LoginNeeded: There is no token, or the service does not accept it.
        Forbidden: The storage does not allow this.
        TemporaryError: The service is busy or cannot be reached. All errors are in `ctadata.errors`.

    Examples:
        >>> for path in ctadata.list_dir("lst/DL1"):
        ...     print(path, path.size)
    """
    return make_client(token, downloadservice, certificateservice, chunk_size, dev_instance).list_dir(
        path, recursive, n_threads
    )


def fetch_and_save_file(
    path: PathText,
    save_to_fn: PathText | None = None,
    *,
    progress: Progress | None = None,
    limit_rate: str | float | None = None,
    token: str | None = None,
    downloadservice: str | None = None,
    certificateservice: str | None = None,
    chunk_size: int | None = None,
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
        token: As in `list_dir`.
        downloadservice: As in `list_dir`.
        certificateservice: As in `list_dir`.
        chunk_size: As in `list_dir`.
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
        >>> ctadata.fetch_and_save_file("lst/DL1/run1.h5", "data/")
        104857600
    """
    client = make_client(token, downloadservice, certificateservice, chunk_size, dev_instance)
    return client.fetch_and_save_file(path, save_to_fn, progress=progress, limit_rate=limit_rate)


def fetch_and_save_file_or_dir(
    path: PathText,
    recursive: bool = False,
    *,
    progress: Progress | None = None,
    limit_rate: str | float | None = None,
    token: str | None = None,
    downloadservice: str | None = None,
    certificateservice: str | None = None,
    chunk_size: int | None = None,
    dev_instance: bool = False,
) -> int:
    """Download a file, or with `recursive` a directory with everything below it.

    The directory `a/b` becomes `./a/b/...`: its whole path is kept.

    Args:
        path: The file or directory on the storage.
        recursive: Allow a directory.
        progress: As in `fetch_and_save_file`.
        limit_rate: As in `fetch_and_save_file`.
        token: As in `list_dir`.
        downloadservice: As in `list_dir`.
        certificateservice: As in `list_dir`.
        chunk_size: As in `list_dir`.
        dev_instance: As in `list_dir`.

    Returns:
        The size of all files together, in bytes.

    Raises:
        PartialFailure: Some files failed; all others were downloaded. `failures` has one error for each failed file,
            and `done` the sizes of the others.
        CtadataError: Any error that `fetch_and_save_file` raises.

    Examples:
        >>> ctadata.fetch_and_save_file_or_dir("lst/DL1", recursive=True)
    """
    client = make_client(token, downloadservice, certificateservice, chunk_size, dev_instance)
    return client.fetch_and_save_file_or_dir(path, recursive, progress=progress, limit_rate=limit_rate)


def upload_file(
    local_fn: PathText,
    path: PathText,
    *,
    progress: Progress | None = None,
    limit_rate: str | float | None = None,
    token: str | None = None,
    downloadservice: str | None = None,
    certificateservice: str | None = None,
    chunk_size: int | None = None,
    dev_instance: bool = False,
) -> Upload:
    """Upload one file and verify it. A file of that name on the storage is replaced.

    The service cannot rename, so the file is replaced in place. An upload that breaks off leaves a broken file there,
    which is then sent again.

    Args:
        local_fn: The local file.
        path: The new name, below your home. The file keeps its name if the path ends with `/` or is a directory.
        progress: As in `fetch_and_save_file`.
        limit_rate: As in `fetch_and_save_file`.
        token: As in `list_dir`.
        downloadservice: As in `list_dir`.
        certificateservice: As in `list_dir`.
        chunk_size: As in `list_dir`.
        dev_instance: As in `list_dir`.

    Returns:
        A dictionary: `path` is the new path from the root, `total_written` is the size in bytes, and `status` is
        `uploaded` or `unchanged` (an equal file was there).

    Raises:
        NotFound: The local file does not exist.
        Forbidden: The path is not below your home.
        IntegrityError: The checksum on the storage differs from the local file's.
        CtadataError: Any error that `list_dir` raises.

    Examples:
        >>> ctadata.upload_file("latest.txt", "results/")
    """
    client = make_client(token, downloadservice, certificateservice, chunk_size, dev_instance)
    return client.upload_file(local_fn, path, progress=progress, limit_rate=limit_rate)


def upload_dir(
    local_dir: PathText,
    path: PathText,
    *,
    progress: Progress | None = None,
    limit_rate: str | float | None = None,
    token: str | None = None,
    downloadservice: str | None = None,
    certificateservice: str | None = None,
    chunk_size: int | None = None,
    dev_instance: bool = False,
) -> list[Upload]:
    """Upload the contents of a local directory below your home. Files of the same names are replaced.

    Args:
        local_dir: The local directory.
        path: The directory on the storage that gets the contents. It is created if it does not exist.
        progress: As in `fetch_and_save_file`.
        limit_rate: As in `fetch_and_save_file`.
        token: As in `list_dir`.
        downloadservice: As in `list_dir`.
        certificateservice: As in `list_dir`.
        chunk_size: As in `list_dir`.
        dev_instance: As in `list_dir`.

    Returns:
        The result of `upload_file` for each file.

    Raises:
        PartialFailure: Some files failed; all others were uploaded. `failures` has one error for each failed file.
        CtadataError: Any error that `upload_file` raises.

    Examples:
        >>> ctadata.upload_dir("plots", "results/plots")
    """
    client = make_client(token, downloadservice, certificateservice, chunk_size, dev_instance)
    return client.upload_dir(local_dir, path, progress=progress, limit_rate=limit_rate)


def webdav4_client(
    *,
    token: str | None = None,
    downloadservice: str | None = None,
    certificateservice: str | None = None,
    chunk_size: int | None = None,
    dev_instance: bool = False,
) -> WebDAV4Client:
    """Return a client of the library webdav4 for the service, with `ls`, `download_file` and `upload_file`.

    The client's paths start from the root of the storage. It can write only below your home.

    Args:
        token: As in `list_dir`.
        downloadservice: As in `list_dir`.
        certificateservice: As in `list_dir`.
        chunk_size: As in `list_dir`.
        dev_instance: As in `list_dir`.

    Raises:
        LoginNeeded: There is no token.

    Examples:
        >>> client = ctadata.webdav4_client()
        >>> client.ls("lst/DL1", detail=False)
    """
    return make_client(token, downloadservice, certificateservice, chunk_size, dev_instance).webdav4_client()
