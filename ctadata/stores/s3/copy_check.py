"""Compare a copy with its source, and with the tag by which the server has confirmed it.

Equal digests, or the tag of the source, prove that the bytes are there. Source and copy may have no digest in common:
their tags are no MD5 with SSE-KMS, and not every server stores checksums. An object then counts as the copy only if it
has the confirmed tag, and the object that it replaced had another tag or another time. An object whose tag is not the
confirmed one may be that of another client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ctadata.checksums import strongest_digest
from ctadata.entries import NO_CHECKSUMS
from ctadata.errors import IntegrityError, NotFound, ServerTrouble
from ctadata.http.messages import Headers, Response
from ctadata.stores.s3.address import Name, s3_address
from ctadata.stores.s3.connection import Connection
from ctadata.stores.s3.digests import MD5, digests_from_headers
from ctadata.stores.s3.head import digests_of_object, head
from ctadata.versions import opaque_tag, tags_match

_OF_VERSION = ("ETag", "Last-Modified")
"""The headers that show that an object was replaced: a tag that is made from the bytes stays if the bytes are equal."""


@dataclass(frozen=True, slots=True)
class CopiedObject:
    """A copy, compared with its source.

    Attributes:
        response: The response to a HEAD of the copy.
        algorithm: The algorithm whose digests of source and copy are equal; empty if only the sizes could be compared.
        digests: The digests of both.
    """

    response: Response
    algorithm: str
    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CopyCheck:
    """What is known of one copy that the server has confirmed.

    Attributes:
        connection: The server.
        source: The source of the copy.
        target: The name of the copy.
        found: The response to a HEAD of the source before the copy.
        confirmed: The tag of the copy by the server's answer. It is empty if the answer has none, about an object that
            was copied in parts or onto itself.
        replaced: The headers of the object that had the name before; None if there was none, or a digest is expected.
    """

    connection: Connection
    source: Name
    target: Name
    found: Response
    confirmed: str
    replaced: Headers | None

    def compare(self, *, new: bool) -> CopiedObject:
        """Look at the copy, and compare it with its source.

        Args:
            new: Whether the copy is deleted if it differs. An object that may be another client's is never deleted.

        Raises:
            IntegrityError: The copy differs from its source.
            ServerTrouble: No copy is there, or the object of this name is not the confirmed one. The error is not
                retryable if another client may have written the object, because a second copy would replace it.
        """
        try:
            response = head(self.connection, self.target)
        except NotFound:
            raise ServerTrouble("the server has confirmed the copy, and has no object of this name") from None
        tag, confirmed = response.headers.get("ETag"), opaque_tag(self.confirmed)
        is_confirmed = bool(confirmed) and opaque_tag(tag) == confirmed
        try:
            copied = self._compare(response)
        except IntegrityError as error:
            if not is_confirmed:
                raise self._not_confirmed(error.what) from error
            if new and tag:
                self._delete(tag, error)
            raise
        if copied.algorithm or tags_match(self.found.headers.get("ETag"), tag):
            return copied
        if confirmed and not is_confirmed:
            raise self._not_confirmed(f"its tag is {tag} instead of {self.confirmed}")
        if self.replaced and all(self.replaced.get(name) == response.headers.get(name) for name in _OF_VERSION):
            raise ServerTrouble("the server has confirmed the copy, and the object that it replaces has not changed")
        return copied

    def _compare(self, copied: Response) -> CopiedObject:
        """Compare sizes and digests; raise IntegrityError if they differ."""
        sizes = [response.headers.get("Content-Length") for response in (self.found, copied)]
        if sizes[0] != sizes[1]:
            raise IntegrityError(f"the copy has {sizes[1]} bytes instead of {sizes[0]}")
        expected = digests_of_object(self.connection, self.source, without_our_md5(self.found.headers))
        stored = digests_from_headers(without_our_md5(copied.headers), whole=True)
        if not expected and tags_match(self.found.headers.get("ETag"), copied.headers.get("ETag")):
            expected = stored  # only the copy states the size of its parts
        digests = {**stored, **expected}
        common = strongest_digest({name: expected[name] for name in expected if name in stored})
        if common is None:
            return CopiedObject(copied, "", digests or NO_CHECKSUMS)
        algorithm, digest = common
        if stored[algorithm] != digest:
            raise IntegrityError(f"the {algorithm} of the copy is {stored[algorithm]} instead of {digest}")
        return CopiedObject(copied, algorithm, digests)

    def _not_confirmed(self, why: str) -> ServerTrouble:
        """Return the error about an object that another client may have written."""
        address = s3_address(self.target.bucket, self.target.key)
        what = f"the object of the new name is not the copy that the server has confirmed: {why}"
        error = ServerTrouble(what, hint=f"{address} may be another client's file, and stays")
        error.retryable = False
        return error

    def _delete(self, tag: str, error: IntegrityError) -> None:
        """Delete the copy, on condition that it is still the one with this tag; the error names one that stays."""
        error.hint = f"{s3_address(self.target.bucket, self.target.key)} stays"

        def delete() -> None:
            self.connection.send("DELETE", self.target, headers={"If-Match": tag})
            error.hint = ""

        self.connection.clean_up(delete)


def without_our_md5(headers: Headers) -> Headers:
    """Return the headers without the MD5 in the metadata, which the copy has whatever its bytes are."""
    return Headers((name, value) for name, value in headers.items() if name.lower() != MD5)
