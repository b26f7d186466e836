"""One unfinished upload in parts: send a part and compare its tag, join the parts, abort.

The MD5 of each part proves what the server has: as the tag of its answer where that is an MD5, else as a Content-MD5
that the server compares. The tag of the finished object proves that the parts are joined; if it is another one, only a
server that lists the parts no more has joined them.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from ctadata.checksums import parts_algorithm
from ctadata.errors import CtadataError, NotFound, ServerTrouble, TemporaryError, TimedOut
from ctadata.http.messages import Body, Headers
from ctadata.stores.base import Source, Written
from ctadata.stores.s3.address import Name
from ctadata.stores.s3.body_digests import CheckedSource, HashingSource, fingerprint
from ctadata.stores.s3.connection import UNSIGNED, Connection
from ctadata.stores.s3.unfinished_uploads import StoredPart, abort_upload, join_parts, list_parts
from ctadata.versions import opaque_tag


class TagsAreOpaque(Exception):
    """The server's tags of parts are no MD5, although it accepts the parts."""


@dataclass(slots=True)
class PartsUpload:
    """One unfinished upload in parts of `size` bytes.

    Attributes:
        stored: The parts that the server has from an earlier run, by number. With `whole_md5`, they are from a file
            with the same MD5.
        metadata: The metadata of the object.
        whole_md5: The MD5 of the file, if the metadata of the object has it; else None. The tags are then opaque.
        tag_is_md5: Whether the server's tag of a part is assumed to be its MD5, so that the MD5 can be computed while
            the part is sent; otherwise it is computed before.
        md5s: The MD5 of each part that is there, by number.
        tags: The tag of each part that is there, by number.
        ended: Set when no further part may begin.
    """

    connection: Connection
    name: Name
    id: str
    size: int
    stored: Mapping[int, StoredPart] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    whole_md5: bytes | None = None
    tag_is_md5: bool = False
    md5s: dict[int, bytes] = field(default_factory=dict)
    tags: dict[int, str] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)

    def upload_part(self, number: int, part: Source) -> None:
        """Upload one part, unless the server has it."""
        if not self.ended.is_set() and not (self.tag_is_md5 and self._send_and_compare_tag(number, part)):
            self._send_with_content_md5(number, part)

    def _send_and_compare_tag(self, number: int, part: Source) -> bool:
        """Send a part, and compare its tag with its MD5.

        Returns:
            False if they differ, because the server received other bytes or its tags are no MD5. The caller then sends
            the part again with a Content-MD5, which the server compares.
        """
        hashing = HashingSource(part)
        tag = self._send(number, hashing, {}, UNSIGNED)
        if tag.strip('"') != hashing.md5.hexdigest():
            self.tag_is_md5 = False
            part.rewind()
            return False
        self.md5s[number], self.tags[number] = hashing.md5.digest(), tag
        return True

    def _send_with_content_md5(self, number: int, part: Source) -> None:
        md5, payload = fingerprint(self.connection, part)
        self.md5s[number] = md5
        stored = self.stored.get(number)
        if stored and stored.size == part.size and (self.whole_md5 or stored.etag.strip('"') == md5.hex()):
            while part.read(1 << 20):  # the reader counts these bytes as progress
                pass
            self.tags[number] = stored.etag
        else:
            content_md5 = {"Content-MD5": base64.b64encode(md5).decode()}
            self.tags[number] = tag = self._send(number, CheckedSource(part, md5), content_md5, payload)
            if self.whole_md5 is None and tag.strip('"') != md5.hex():
                raise TagsAreOpaque

    def _send(self, number: int, part: Body, headers: Mapping[str, str], payload: str) -> str:
        query = f"partNumber={number}&uploadId={quote(self.id, safe='')}"
        response = self.connection.upload(self.name, part, query=query, headers=headers, payload=payload)
        etag = response.headers.get("ETag")
        if not etag:
            raise ServerTrouble(f"the server did not confirm part {number}")
        return etag

    def check_source(self, source: Source) -> None:
        """Check that the parts are those of one content, if anything about the source has changed meanwhile.

        Each part was compared by itself, and the source may have changed between two parts.

        Raises:
            LocalError: The source has other bytes now.
        """
        if self.whole_md5:
            source.check_md5(self.whole_md5)
        for number, md5 in self.md5s.items():
            start = (number - 1) * self.size
            source.check_md5(md5, start, min(start + self.size, source.size))

    def complete(self, *, new: bool) -> Written:
        """Make the server join the parts, and compare the object's tag with the MD5s.

        Raises:
            AlreadyExists: With `new`, an object has this name.
            ServerTrouble: The server has not joined the parts, whatever its answer was.
        """
        md5_of_md5s = hashlib.md5(b"".join(self.md5s[number] for number in sorted(self.md5s)), usedforsecurity=False)
        digest, algorithm = f"{md5_of_md5s.hexdigest()}-{len(self.tags)}", parts_algorithm("md5", self.size)
        expected = f'"{digest}"'
        try:
            etag = join_parts(self.connection, self.name, self.id, self.tags, new=new)
        except (TemporaryError, TimedOut, NotFound):
            headers = self._head() or Headers()
            etag = found = headers.get("ETag")
            if etag != expected and not (self.whole_md5 and self._is_described_in(headers)):
                raise  # else the parts are joined, and only the answer was lost
        else:
            found = self._find_tag(expected)
        checked = algorithm if expected in (etag, found) else ""
        if self.whole_md5:
            return Written(etag=found or etag, checked=checked, sent=f"md5:{self.whole_md5.hex()}")
        # without a tag, the object that another client has written meanwhile would count as this one
        return Written(etag=found or etag or expected, checked=checked, sent=f"{algorithm}:{digest}")

    def _find_tag(self, expected: str) -> str | None:
        """Return the tag of the finished object; None if the object may be another one.

        Ceph's answer to the completion has an empty tag, and the tag in that of `rclone serve s3` is not kept.

        Args:
            expected: The tag that is made of the MD5s of the parts.

        Raises:
            ServerTrouble: The object is another one, and the server still has the parts.
        """
        headers = self._head()
        if headers is None:
            return None
        tag, is_described = headers.get("ETag"), self._is_described_in(headers)
        is_expected = opaque_tag(tag) == opaque_tag(expected)
        if not (is_expected or (self.whole_md5 and is_described)) and self._has_parts():
            error = ServerTrouble("the server has confirmed that it has joined the parts, and still has them")
            error.retryable = not tag  # another attempt would replace what may be another client's object
            raise error
        return tag if is_expected or is_described else None

    def _has_parts(self) -> bool:
        """Return whether the upload has not ended: the server lists parts of it."""
        with contextlib.suppress(CtadataError):
            return any(True for _ in list_parts(self.connection, self.name, self.id))
        return False

    def _is_described_in(self, headers: Headers) -> bool:
        """Return whether headers of a HEAD may be of the object that this upload makes, by its metadata."""
        return all(headers.get(name) == value for name, value in self.metadata.items())

    def _head(self) -> Headers | None:
        """Return the headers of a HEAD of the object, none if there is no object; None if the server does not say."""
        try:
            return self.connection.send("HEAD", self.name).headers
        except NotFound:
            return Headers()
        except CtadataError:
            return None

    def abort(self) -> None:
        """Abort the upload, which deletes its parts; an upload that does not exist any more is no error."""
        with contextlib.suppress(NotFound):
            abort_upload(self.connection, self.name, self.id)
