"""The functions of `ctadata`: one call each, with the keywords that they have always had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ctadata.listed_paths import Listing
from ctadata.progress.reporters import Progress
from ctadata.service.client import APIClient
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
    """The directory itself, then the paths in it, with `recursive` in all below it as well; of a file, the file.

    path: from the root of the storage; `home:x` is below your home. What is listed is text, a path that the other
    functions take, and knows `kind`, `size` and `mtime`; in a notebook the list is a table.
    n_threads: directories listed at a time, None for a few.
    token, downloadservice, certificateservice: instead of JUPYTERHUB_API_TOKEN, CTADS_URL, CTACS_URL as they are at
    the call. chunk_size: bytes that the service reads at a time. The same for every function here.
    Raises NotFound, LoginNeeded, Forbidden, TemporaryError (all of `ctadata.errors`).
    """
    return _client(token, downloadservice, certificateservice, chunk_size, dev_instance).list_dir(
        path, recursive, n_threads
    )


def fetch_and_save_file(
    path: PathText,
    save_to_fn: PathText | None = None,
    *,
    progress: Progress | None = None,
    token: str | None = None,
    downloadservice: str | None = None,
    certificateservice: str | None = None,
    chunk_size: int | None = None,
    dev_instance: bool = False,
) -> int:
    """Download one file and verify it; gives its size in bytes.

    save_to_fn: the local file, or a directory to put it in; None: its own name, here. An equal file that is there
    already is not fetched again; one that differs is replaced once the new one is verified.
    progress: True for a bar, in a notebook as a widget; else a reporter of `ctadata.progress`. The same for others.
    Raises NotFound, UsageError (a directory), IntegrityError, LocalError and what `list_dir` raises.
    """
    client = _client(token, downloadservice, certificateservice, chunk_size, dev_instance)
    return client.fetch_and_save_file(path, save_to_fn, progress=progress)


def fetch_and_save_file_or_dir(
    path: PathText,
    recursive: bool = False,
    *,
    progress: Progress | None = None,
    token: str | None = None,
    downloadservice: str | None = None,
    certificateservice: str | None = None,
    chunk_size: int | None = None,
    dev_instance: bool = False,
) -> int:
    """Download a file, or with `recursive` a directory with all it holds, to here; gives the bytes of all files.

    The directory `a/b` becomes `./a/b/...`. Every file is tried; PartialFailure tells then which failed, and with
    `.done` the number of bytes of each that did not.
    """
    client = _client(token, downloadservice, certificateservice, chunk_size, dev_instance)
    return client.fetch_and_save_file_or_dir(path, recursive, progress=progress)


def upload_file(
    local_fn: PathText,
    path: PathText,
    *,
    progress: Progress | None = None,
    token: str | None = None,
    downloadservice: str | None = None,
    certificateservice: str | None = None,
    chunk_size: int | None = None,
    dev_instance: bool = False,
) -> Upload:
    """Upload one file and check it; `path`, `status` and `total_written`.

    path: the file's new name below your home; a directory where it ends in `/` or is one. What is there is replaced,
    in place: an upload that breaks off leaves a broken file, and is sent again.
    Raises NotFound (the local file), Forbidden, IntegrityError and what `list_dir` raises.
    """
    client = _client(token, downloadservice, certificateservice, chunk_size, dev_instance)
    return client.upload_file(local_fn, path, progress=progress)


def upload_dir(
    local_dir: PathText,
    path: PathText,
    *,
    progress: Progress | None = None,
    token: str | None = None,
    downloadservice: str | None = None,
    certificateservice: str | None = None,
    chunk_size: int | None = None,
    dev_instance: bool = False,
) -> list[Upload]:
    """Upload the contents of a local directory into the directory `path` below your home.

    Gives what `upload_file` gives, for each file. Every file is tried; PartialFailure tells then which failed.
    """
    client = _client(token, downloadservice, certificateservice, chunk_size, dev_instance)
    return client.upload_dir(local_dir, path, progress=progress)


def upload_personal_certificate(
    certificate_file_path: PathText,
    certificate_key: str,
    user: str | None = None,
    *,
    token: str | None = None,
    downloadservice: str | None = None,
    certificateservice: str | None = None,
    chunk_size: int | None = None,
    dev_instance: bool = False,
) -> dict[str, str]:
    """Have the service open the storage with your certificate: `message`, `validity` and `certificate_key`.

    certificate_file_path: PEM, the certificate first, with its private key and what it was made of; good for seven
    days at most.   certificate_key: `cta`, `lst` or `arc`, what it opens.   user: whose it is, for admins.
    Raises FileNotFoundError, UsageError (it is not as it has to be), Forbidden (the service refuses it), LoginNeeded.
    """
    client = _client(token, downloadservice, certificateservice, chunk_size, dev_instance)
    return client.upload_personal_certificate(certificate_file_path, certificate_key, user)


def upload_certificate(
    certificate_file_path: PathText,
    certificate_key: str | None = None,
    *,
    token: str | None = None,
    downloadservice: str | None = None,
    certificateservice: str | None = None,
    chunk_size: int | None = None,
    dev_instance: bool = False,
) -> dict[str, str]:
    """As `upload_personal_certificate`, which is the better name.

    certificate_key: None for the first of CTACS_ALLOWED_CERT_KEYS, else `cta`; the answer names it.
    """
    from ctadata.service.certificates import default_key

    client = _client(token, downloadservice, certificateservice, chunk_size, dev_instance)
    return client.upload_personal_certificate(certificate_file_path, certificate_key or default_key())


def upload_shared_certificate(
    certificate_file_path: PathText,
    *,
    token: str | None = None,
    downloadservice: str | None = None,
    certificateservice: str | None = None,
    chunk_size: int | None = None,
    dev_instance: bool = False,
) -> dict[str, Any]:
    """Have the service use this certificate for all who have none: `message` and `certificateUploaded`; for admins.

    Raises what `upload_personal_certificate` raises.
    """
    client = _client(token, downloadservice, certificateservice, chunk_size, dev_instance)
    return client.upload_shared_certificate(certificate_file_path)


def certificate_status(
    *,
    token: str | None = None,
    downloadservice: str | None = None,
    certificateservice: str | None = None,
    chunk_size: int | None = None,
    dev_instance: bool = False,
) -> dict[str, Any]:
    """What is known of the certificates: `service` and `shared` in the service's words, `keys`: what each opens."""
    return _client(token, downloadservice, certificateservice, chunk_size, dev_instance).certificate_status()


def webdav4_client(
    *,
    token: str | None = None,
    downloadservice: str | None = None,
    certificateservice: str | None = None,
    chunk_size: int | None = None,
    dev_instance: bool = False,
) -> WebDAV4Client:
    """A client of the library webdav4 at the service: `ls`, `download_file`, `upload_file` (also as `uploadFile`).

    Its paths start from the root of the storage, and it may write below your home alone.
    """
    return _client(token, downloadservice, certificateservice, chunk_size, dev_instance).webdav4_client()


def _client(
    token: str | None,
    downloadservice: str | None,
    certificateservice: str | None,
    chunk_size: int | None,
    dev_instance: bool,
) -> APIClient:
    return APIClient(
        token=token,
        downloadservice=downloadservice,
        certificateservice=certificateservice,
        chunk_size=chunk_size,
        dev_instance=dev_instance,
    )
