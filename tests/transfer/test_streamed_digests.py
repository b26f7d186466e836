"""The digests of bytes that pass: only those that are compared are computed, as soon as it is known which."""

from __future__ import annotations

import zlib

import pytest

from ctadata.digest_headers import ALGORITHMS
from ctadata.errors import IntegrityError
from ctadata.fibers import Beside
from ctadata.transfer.streamed_digests import StreamedDigests

ADLER32 = f"{zlib.adler32(b'content'):08x}"


def digests(known: dict[str, str], listed: dict[str, str], asked: dict[str, str] | None = None) -> StreamedDigests:
    request = None if asked is None else Beside(lambda: asked)
    if request is not None:
        request.result()
    passing = StreamedDigests(known, listed, request)
    passing.update(b"content")
    return passing


@pytest.mark.parametrize("told", [{"adler32": ADLER32}, {}])
def test_the_answer_ends_the_other_digests(told: dict[str, str]) -> None:
    passing = digests({}, {}, told)
    assert passing.compare() == told
    assert passing.computed == {"adler32": ADLER32}


def test_a_known_digest_needs_no_answer() -> None:
    known = {"adler32": ADLER32}
    passing = digests(known, known, {"adler32": "00000000"})
    assert passing.compare() == known


def test_without_an_answer_every_digest_is_computed() -> None:
    request = Beside(lambda: (_ for _ in ()).throw(IntegrityError("refused")))
    with pytest.raises(IntegrityError, match="refused"):
        request.result()
    passing = StreamedDigests({}, {}, request)
    passing.update(b"content")
    assert tuple(passing._hashers) == ALGORITHMS
    with pytest.raises(IntegrityError, match="refused"):
        passing.compare()
