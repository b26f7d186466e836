"""Upload a large file to S3 in parts, several at a time, and resume what an earlier run has uploaded.

The object appears, whole, when the server joins the parts. An upload that fails for good is aborted, because parts take
up space that no listing shows. A broken connection, a login that has ended, a killed process and a user who stops the
command leave parts behind. The next upload of the same file finds them and keeps each part whose MD5 equals that of the
file's bytes. An upload that does not match the file and has not changed for a day is taken for dead, and aborted.

If the server's tags of parts are no MD5 (SSE-KMS), the tag of the object proves nothing either. The upload then begins
anew, with the MD5 of the whole file in the object's metadata. Metadata belong to the beginning of an upload, so this
costs one more reading of the file. A file on this machine keeps the id of the upload with this MD5: the parts that the
server has of this id are parts of a file with the same bytes, so the next run sends the others only. It also keeps the
id of an upload with a description (`put --metadata`), because no server tells the headers of an unfinished upload.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from ctadata.errors import (
    ConfigError,
    CtadataError,
    LoginNeeded,
    ServerTrouble,
    Stopped,
    TemporaryError,
    TimedOut,
)
from ctadata.fibers import run_in_thread
from ctadata.stores.base import Source, Written
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.body_digests import fingerprint
from ctadata.stores.s3.connection import EMPTY_SHA256, Connection
from ctadata.stores.s3.description import METADATA, guess_type
from ctadata.stores.s3.digests import MD5, PART_SIZE, may_be_md5
from ctadata.stores.s3.errors import xml_fields
from ctadata.stores.s3.mtime import MTIME
from ctadata.stores.s3.parts_upload import PartsUpload, TagsAreOpaque
from ctadata.stores.s3.state_file import StateFile
from ctadata.stores.s3.unfinished_uploads import PARTS_ARE_LOST, PARTS_STAY, list_unfinished

DEFAULT_PART_SIZE = 32 << 20
"""Bytes of a part if the profile does not say; a file up to this size is uploaded in one piece."""

MAX_SINGLE_REQUEST = 5 << 30
"""The largest number of bytes that S3 accepts, or copies, in one request."""

MAX_PARTS = 10_000
"""The largest number of parts of an upload (Amazon S3 User Guide, "Amazon S3 multipart upload limits")."""

TARGET_PARTS = 200
"""The number of parts above which the parts get larger: many small parts read slowly, and S3 allows 10 000 at most."""

PARALLEL_PARTS = 4
"""Parts of one file that are uploaded at the same time."""

TYPE = "Content-Type"
"""The header of the media type."""

STALE_AFTER = 86400.0
"""Seconds without a change after which an unfinished upload is taken for dead."""


def part_size(size: int, minimum: int | None = None) -> int:
    """Return the bytes of a part for a file.

    Args:
        size: Bytes of the file.
        minimum: Bytes of a part as the profile says; None for the default.

    Returns:
        The minimum; for a large file more, in whole MiB.

    Raises:
        CtadataError: No object can have so many bytes.
    """
    if size > MAX_PARTS * MAX_SINGLE_REQUEST:
        raise CtadataError(f"an S3 object has {MAX_PARTS} parts of 5 GiB at most, and this file has {size} bytes")
    minimum_size = minimum or DEFAULT_PART_SIZE
    needed = -(-size // (TARGET_PARTS << 20)) << 20
    return min(minimum_size if minimum_size * TARGET_PARTS >= size else needed, MAX_SINGLE_REQUEST)


def upload_multipart(
    connection: Connection, name: Name, source: Source, size: int, headers: Mapping[str, str], *, new: bool
) -> Written:
    """Upload a source in parts of `size` bytes, and resume an earlier upload of the same file.

    Args:
        connection: The server.
        name: The object to write.
        source: The bytes.
        size: Bytes of a part; the last part may be shorter.
        headers: Headers that describe the object.
        new: Whether an object of this name is an error.

    Raises:
        CtadataError: As `Store.write`.
    """
    opaque = connection.quirks.opaque_tags
    if name.bucket not in opaque and MD5 not in _journal_of(connection, name).read().get("headers", ()):
        try:
            return _upload_once(connection, name, source, size, headers, new=new)
        except TagsAreOpaque:
            source.rewind()
    opaque.add(name.bucket)
    whole_md5, _ = fingerprint(connection, source)
    return _upload_once(connection, name, source, size, headers, new=new, whole_md5=whole_md5)


def _journal_of(connection: Connection, name: Name) -> StateFile:
    """Return the file that keeps the id of an unfinished upload whose server does not tell enough of it."""
    return StateFile.of("uploads", connection.endpoint.origin, name)


def _upload_once(
    connection: Connection,
    name: Name,
    source: Source,
    size: int,
    headers: Mapping[str, str],
    *,
    new: bool,
    whole_md5: bytes | None = None,
) -> Written:
    """Upload a source; raise TagsAreOpaque if the object needs `whole_md5` in its metadata."""
    is_plain = headers.keys() <= {MTIME, TYPE} and headers.get(TYPE) in (None, guess_type(name.key))
    journal = None if is_plain and whole_md5 is None else _journal_of(connection, name)
    evidence = {MD5: base64.b64encode(whole_md5).decode()} if whole_md5 else {PART_SIZE: str(size)}
    headers = {**headers, **evidence}
    upload, may_resume = _find_resumable(connection, name, source, size, headers, whole_md5, journal)
    upload = upload or _create_upload(connection, name, size, headers, whole_md5)
    if journal is not None:
        journal.try_to_write({"upload": upload.id, **_begun_with(size, headers)})
    try:
        run_in_thread(lambda: _upload_parts(upload, source, size))
        written = upload.complete(new=new)
    except (TemporaryError, TimedOut):
        raise  # the next attempt, or the next run, resumes with the parts that are there
    except (Stopped, LoginNeeded) as error:
        is_begun = bool(upload.tags or upload.stored)
        if not (may_resume and is_begun):
            connection.clean_up(upload.abort)
        if isinstance(error, Stopped) and is_begun:
            error.hint = PARTS_STAY if may_resume else PARTS_ARE_LOST
        raise
    except BaseException:
        connection.clean_up(upload.abort)
        raise
    if journal is not None:
        journal.delete()
    return written


def _begun_with(size: int, headers: Mapping[str, str]) -> dict[str, object]:
    """Return what two uploads must have in common so that the second one may take the parts of the first one."""
    return {"part_size": size, "headers": dict(headers)}


def _upload_parts(upload: PartsUpload, source: Source, size: int) -> None:
    ranges = [(start, min(start + size, source.size)) for start in range(0, source.size, size)]
    with ThreadPoolExecutor(PARALLEL_PARTS, thread_name_prefix="ctadata-part") as pool:
        uploads = [pool.submit(upload.upload_part, number, source.part(*each)) for number, each in enumerate(ranges, 1)]
        try:
            wait(uploads, return_when=FIRST_EXCEPTION)
        finally:
            upload.ended.set()
            pool.shutdown(cancel_futures=True)
    for each in uploads:
        if each.done() and not each.cancelled():
            each.result()
    upload.check_source(source)


def _create_upload(
    connection: Connection, name: Name, size: int, headers: Mapping[str, str], whole_md5: bytes | None
) -> PartsUpload:
    response = connection.send("POST", name, query="uploads=", headers=headers, body=b"", payload=EMPTY_SHA256)
    upload_id = xml_fields(response.body).get("UploadId")
    if not upload_id:
        raise ServerTrouble("the server did not begin the upload in parts")
    # over http the signature needs the part's SHA-256, so the part is read before it is sent
    tag_is_md5 = connection.is_protected and whole_md5 is None and may_be_md5(response.headers)
    return PartsUpload(connection, name, upload_id, size, {}, _metadata(headers), whole_md5, tag_is_md5)


def _metadata(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {key: value for key, value in headers.items() if key.startswith(METADATA)}


def _find_resumable(
    connection: Connection,
    name: Name,
    source: Source,
    size: int,
    headers: Mapping[str, str],
    whole_md5: bytes | None,
    journal: StateFile | None,
) -> tuple[PartsUpload | None, bool]:
    """Return an upload of this very file that an earlier run began, None if there is none; abort the stale ones.

    The second value says whether a later run can find this upload: False if the server lists no uploads.
    """
    known = journal.read() if journal else {}
    own = known.get("upload") if known.items() >= _begun_with(size, headers).items() else None
    try:
        for each in list_unfinished(connection, name):
            upload = PartsUpload(connection, name, each.id, size, each.stored, _metadata(headers), whole_md5)
            is_ours = each.fits(source, size) and (journal is None or each.id == own)
            if is_ours and (whole_md5 or each.begins_like(source, size)):
                return upload, True
            if each.changed is not None and time.time() - each.changed > STALE_AFTER:
                upload.abort()
    except ServerTrouble as error:
        if error.status:
            raise
        return None, False  # the list of uploads cannot be read: send all of the file
    except (TemporaryError, TimedOut, ConfigError, Stopped):  # without boto3 the parts cannot be joined
        raise
    except CtadataError:  # the key may not list uploads, or the server cannot: send all of the file
        return None, False
    return None, True
