"""Copy an object at the server with its type, metadata and alias, and compare the copy with its source.

S3 copies 5 GiB at most in one request (Amazon S3 API Reference, CopyObject). A larger object is copied in parts
(UploadPartCopy); the parts have the size of the source's parts if that is known, so that both have the same tag.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import quote

from ctadata.checksums import OF_PARTS, etag_digests
from ctadata.errors import (
    AlreadyExists,
    Changed,
    CtadataError,
    LoginNeeded,
    NotFound,
    ServerTrouble,
    Stopped,
    TemporaryError,
    TimedOut,
)
from ctadata.fibers import run_in_thread
from ctadata.http.messages import NO_HEADERS, Headers, Response
from ctadata.stores.s3.address import Name, s3_address
from ctadata.stores.s3.alias import REDIRECT
from ctadata.stores.s3.condition import IF_FREE
from ctadata.stores.s3.connection import EMPTY_SHA256, Connection
from ctadata.stores.s3.copy_check import CopiedObject, CopyCheck, without_our_md5
from ctadata.stores.s3.copy_headers import CopyHeaders
from ctadata.stores.s3.description import ENCRYPTION, TAGS, set_tags_of_copy
from ctadata.stores.s3.digests import PART_SIZE, digests_from_headers, object_size
from ctadata.stores.s3.errors import error_of_code, xml_fields, xml_root
from ctadata.stores.s3.head import head, refuse_existing
from ctadata.stores.s3.multipart import MAX_PARTS, MAX_SINGLE_REQUEST, PARALLEL_PARTS, part_size
from ctadata.stores.s3.state_file import StateFile
from ctadata.stores.s3.unfinished_uploads import PARTS_STAY, abort_upload, join_parts, list_parts
from ctadata.versions import opaque_tag

MIN_PART = 5 << 20
"""The smallest size of a part that is not the last one, in bytes (the page of `MAX_PARTS`)."""

CONFIRMATIONS = ("CopyObjectResult", "CopyPartResult")
"""The root elements of an answer that confirms a copy; S3Proxy answers with the first one about a part too."""

CONTINUED = (TemporaryError, TimedOut, LoginNeeded, Stopped)
"""The errors after which the parts stay at the server, and the next attempt continues the copy."""


def _ignore(_: int) -> None:
    """Ignore the progress of a copy."""


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """The choices of one copy.

    Attributes:
        new: Whether an object under the new name is an error.
        headers: The headers that describe the copy. Metadata among them replace all metadata of the source; what they
            do not name stays as at the source.
        relocate: Returns the key that a copied alias points to, from the key that its source points to.
        single_limit: The largest number of bytes that one request copies.
        moved: Receives the number of bytes copied so far.
        found: The response to a HEAD of the source, if the caller has just looked at both names. They are then not
            looked at again; None: both are.
    """

    new: bool = False
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)
    relocate: Callable[[str], str] = str
    single_limit: int = MAX_SINGLE_REQUEST
    moved: Callable[[int], None] = _ignore
    found: Response | None = None


DEFAULT = CopyOptions()


def copy_object(connection: Connection, source: Name, target: Name, options: CopyOptions = DEFAULT) -> CopiedObject:
    """Copy an object at the server, and compare size and digest of the copy with those of the source.

    Args:
        connection: The server; its key reads the source and writes the copy.
        source: The object.
        target: The name of the copy. It may be the source's if `options.headers` describes the object anew.
        options: The choices.

    Raises:
        NotFound: There is no such object.
        AlreadyExists: With `options.new`, an object has the new name.
        Changed: The object has been replaced since it was looked at.
        IntegrityError: The copy differs. A new copy is deleted again.
        ServerTrouble: The server did not confirm the copy, or the object of the new name is not the confirmed one.
        CtadataError: The server refuses the copy.
    """
    found = options.found or head(connection, source)
    if options.new and not options.found:
        refuse_existing(connection, target)
    size = object_size(found.headers) or 0
    headers = CopyHeaders(connection, source, found.headers, options.headers, options.relocate)
    copying = _Copying(connection, source, target, options, found.headers, size, headers)
    needs_old = not (options.new or source == target or _has_digest(found, options))
    replaced = _find_headers(connection, target) if needs_old else None
    confirmed = copying.copy_in_parts() if size > options.single_limit else copying.copy_at_once()
    options.moved(size)
    return CopyCheck(connection, source, target, found, confirmed, replaced).compare(new=options.new)


def _has_digest(found: Response, options: CopyOptions) -> bool:
    """Return whether an object states a digest that its copy is expected to state too."""
    return ENCRYPTION not in options.headers and bool(digests_from_headers(without_our_md5(found.headers), whole=True))


def _find_headers(connection: Connection, name: Name) -> Headers | None:
    """Return the headers of a HEAD of an object; None if there is no such object."""
    try:
        return head(connection, name).headers
    except NotFound:
        return None


@dataclass(frozen=True, slots=True)
class _Copying:
    """One copy of the object that the headers `found` describe."""

    connection: Connection
    source: Name
    target: Name
    options: CopyOptions
    found: Headers
    size: int
    headers: CopyHeaders

    def copy_at_once(self) -> str:
        """Copy with one request, and return the tag of the copy."""
        headers = {**self.headers.from_source(), **self.headers.kept_by_name()}
        # Ceph takes the alias and the tags from the source only if the description comes from there
        anew = self.headers.described_anew() or headers.get(REDIRECT) != self.found.get(REDIRECT)
        anew = anew or self.source == self.target  # a copy onto itself has to replace the description
        if anew:
            headers |= {"x-amz-metadata-directive": "REPLACE", **self.headers.description()}
        tags = self.headers.tags() if anew or TAGS in self.options.headers else {}
        if tags:
            headers |= {"x-amz-tagging-directive": "REPLACE", **tags}
        tag = self._put("", {**headers, **self._condition})
        if tags:
            set_tags_of_copy(self.connection, self.target, tags[TAGS])
        return tag

    def copy_in_parts(self) -> str:
        """Copy each part, and join them; return the tag of the copy, empty if the server does not tell."""
        size = self._part_size()
        ranges = [(start, min(start + size, self.size)) for start in range(0, self.size, size)]
        headers = {**self.headers.description(), **self.headers.kept_by_name(), **self.headers.tags()}
        headers[PART_SIZE] = str(size)
        journal = StateFile.of("copies", self.connection.endpoint.origin, self.source, self.target)
        begun = {"etag": self.found.get("ETag"), "part_size": size, "headers": headers}
        upload, stored = self._find_parts(journal, begun, ranges)
        upload = upload or xml_fields(self._send("POST", "uploads=", headers).body).get("UploadId")
        if not upload:
            raise ServerTrouble("the server did not begin the copy in parts")
        journal.try_to_write({"upload": upload, **begun})
        try:
            tags = run_in_thread(lambda: self._copy_ranges(upload, ranges, stored))
            tag = join_parts(self.connection, self.target, upload, dict(enumerate(tags, 1)), new=self.options.new)
        except BaseException as error:
            if isinstance(error, CONTINUED) and not isinstance(error, Changed):
                if isinstance(error, Stopped):
                    error.hint = PARTS_STAY
                raise
            self.connection.clean_up(functools.partial(abort_upload, self.connection, self.target, upload))
            journal.delete()
            raise
        journal.delete()
        return tag or ""

    def _find_parts(
        self, journal: StateFile, begun: Mapping[str, object], ranges: list[tuple[int, int]]
    ) -> tuple[str | None, Mapping[int, str]]:
        """Return the upload that an earlier run has begun of this version, or None, and the tags of its parts."""
        known = journal.read()
        upload = known.get("upload")
        if not (isinstance(upload, str) and begun["etag"] and known.items() >= begun.items()):
            return None, {}
        sizes = {number: stop - start for number, (start, stop) in enumerate(ranges, 1)}
        try:
            parts = list(list_parts(self.connection, self.target, upload))
        except CONTINUED:
            raise
        except CtadataError:
            return None, {}
        return upload, {
            part["PartNumber"]: part["ETag"] for part in parts if part["Size"] == sizes.get(part["PartNumber"])
        }

    def _part_size(self) -> int:
        """Return the part size of the source, or a guess by the number of its parts, so that both have the same tag."""
        tags = etag_digests(self.found.get("ETag"), self.size)
        guesses = [algorithm.partition(OF_PARTS)[2] for algorithm, _ in tags]
        for text in (self.found.get(PART_SIZE), self._first_part_length(), *guesses):
            number = int(text) if text and text.isdecimal() else 0
            if MIN_PART <= number <= MAX_SINGLE_REQUEST and self.size <= number * MAX_PARTS:
                return number
        return part_size(self.size)

    def _first_part_length(self) -> str | None:
        if not re.fullmatch('"[0-9a-f]{32}-[0-9]+"', self.found.get("ETag") or ""):
            return None
        try:
            first = self.connection.send("HEAD", self.source, query="partNumber=1").headers
        except CtadataError:
            return None
        return first.get("Content-Length") if first.get("x-amz-mp-parts-count") else None

    def _copy_ranges(self, upload: str, ranges: list[tuple[int, int]], stored: Mapping[int, str]) -> list[str]:
        done = 0

        def copy_range(number: int, start: int, stop: int) -> str:
            return stored.get(number) or self._copy_range(upload, number, start, stop)

        with ThreadPoolExecutor(PARALLEL_PARTS, thread_name_prefix="ctadata-copy") as pool:
            copies = [pool.submit(copy_range, number, *each) for number, each in enumerate(ranges, 1)]
            try:
                for copy, (start, stop) in zip(copies, ranges, strict=True):
                    copy.result()
                    done += stop - start
                    self.options.moved(done)
            finally:
                pool.shutdown(cancel_futures=True)
        return [copy.result() for copy in copies]

    def _copy_range(self, upload: str, number: int, start: int, stop: int) -> str:
        headers = {**self.headers.from_source(), "x-amz-copy-source-range": f"bytes={start}-{stop - 1}"}
        return self._put(f"partNumber={number}&uploadId={quote(upload, safe='')}", headers)

    @property
    def _condition(self) -> Mapping[str, str]:
        return IF_FREE if self.options.new and not self.connection.condition.is_refused else NO_HEADERS

    def _put(self, query: str, headers: Mapping[str, str]) -> str:
        """Copy the object or a part of it, and return the tag of the copy.

        `rclone serve s3` confirms a copy of an object onto itself without a tag.

        Raises:
            AlreadyExists: The new name is taken.
            Changed: The server does not have the version of the source that was looked at.
            ServerTrouble: The answer confirms no copy, whatever its status is.
        """
        try:
            response = self._send("PUT", query, headers)
        except AlreadyExists as error:
            if error.status != 412:
                raise
            if headers.keys() & IF_FREE.keys():
                refuse_existing(self.connection, self.target)
            raise self._source_changed() from error
        except CtadataError as error:
            if not (headers.keys() & IF_FREE.keys() and self.connection.quirks.may_be_refusal(error)):
                raise
            response = self._send("PUT", query, {name: headers[name] for name in headers.keys() - IF_FREE.keys()})
            self.connection.condition.note_refused()
        tag = xml_fields(response.body).get("ETag", "")
        needs_tag = bool(query) or self.source != self.target
        if xml_root(response.body) not in CONFIRMATIONS or (needs_tag and not opaque_tag(tag)):
            raise ServerTrouble(f"the server has not confirmed the copy: its answer {response.status} has no tag")
        return tag

    def _source_changed(self) -> Changed:
        """Return the error about another version, which the caller has not seen, and so must not get."""
        error = Changed(f"{s3_address(self.source.bucket, self.source.key)} has another version tag")
        error.retryable = False
        return error

    def _send(self, method: str, query: str, headers: Mapping[str, str]) -> Response:
        """Send a request without a body, and return its answer; a failure may come with the status 200.

        See Amazon S3 API Reference, CopyObject.
        """
        name = self.target
        response = self.connection.send(method, name, query=query, headers=headers, body=b"", payload=EMPTY_SHA256)
        fields = xml_fields(response.body)
        if "Code" in fields:
            raise error_of_code(fields["Code"], fields.get("Message", ""), 500, "PUT")
        return response
