"""The contract of stores that know more about a file than its entry says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from ctadata.paths import RemotePath


@runtime_checkable
class Describes(Protocol):
    """A store whose files have metadata of their own, such as S3."""

    def describe(self, path: RemotePath) -> Mapping[str, str | Mapping[str, str]]:
        """Return what the server says about a file beside its entry: a value, or names with values, for each word.

        Raises:
            NotFound: There is no such file.
        """
