"""Hash the bytes of a stream, which cannot be read again, and compare them with the digests that the server keeps.

If neither the listing nor the read states a digest, another request asks for it beside the read. Until its answer is
there, the bytes are hashed with every algorithm that the answer may name.
"""

from __future__ import annotations

from collections.abc import Mapping

from ctadata.checksums import new_hasher
from ctadata.digest_headers import ALGORITHMS
from ctadata.fibers import Beside
from ctadata.transfer.integrity import algorithms_to_compare, check_digest

Digests = Mapping[str, str]


class StreamedDigests:
    """The digests of the bytes that have passed so far."""

    def __init__(self, known: Digests, listed: Digests, asked: Beside[Digests] | None) -> None:
        """Start before the first byte.

        Args:
            known: The digests that the listing and the read state.
            listed: The digests that the listing states.
            asked: The request for the digests, which counts only if none are known; None: there is no such request.
        """
        self._known = known
        self._listed = listed
        self._asked = None if known else asked
        names = self._names() if self._asked is None else ALGORITHMS
        self._hashers = {name: new_hasher(name) for name in names}

    def _names(self) -> list[str]:
        """Return the algorithms to compare by; adler32 if there are none, for the receipt."""
        return algorithms_to_compare(self._known, self._listed) or ["adler32"]

    def update(self, block: bytes) -> None:
        """Add the next bytes."""
        if self._asked is not None and self._asked.has_result:
            self._take_answer(self._asked)
        for hasher in self._hashers.values():
            hasher.update(block)

    def _take_answer(self, asked: Beside[Digests]) -> None:
        self._known, self._asked = asked.result(), None
        self._hashers = {name: self._hashers[name] for name in self._names()}

    def compare(self) -> dict[str, str]:
        """Compare the digests of the whole file with those of the server; wait for its answer if one was asked for.

        Returns:
            The digests that were compared; empty if the server keeps none.

        Raises:
            IntegrityError: One differs.
            CtadataError: The server refuses to tell the digests.
        """
        if self._asked is not None:
            self._take_answer(self._asked)
        self.computed = {name: hasher.hexdigest() for name, hasher in self._hashers.items()}
        return {name: digest for name, digest in self.computed.items() if check_digest(name, digest, self._known)}
