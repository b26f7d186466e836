"""The contract of stores that know more about a file than its entry says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from ctadata.entries import Entry

Description = Mapping[str, str | Mapping[str, str]]
"""What a server says about a file: a value, or names with values, for each word."""


@runtime_checkable
class Describes(Protocol):
    """A store whose files have metadata of their own, such as S3."""

    def describe(self, entry: Entry) -> tuple[Mapping[str, str], Description]:
        """Return the digests of a file, and what the server says about it beside its entry.

        The response that an entry of `info` was read from is not requested again.

        Raises:
            NotFound: There is no such file.
        """
