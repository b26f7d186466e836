"""Read many pieces of many files, in the thread of the caller."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ctadata.errors import CtadataError
from ctadata.stores.ranged_file import RangedFile
from ctadata.stores.side_by_side import run_in_fibers

GAP = 32 << 10
"""The largest gap between two pieces of one file, in bytes, that is read along to save a request."""

LONGEST = 8 << 20
"""The largest number of bytes in one request."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes of a file from offset `start` up to `stop` (exclusive; None: the end).

    A negative `start` or `stop` counts from the end, as in a slice.
    """

    file: RangedFile
    start: int = 0
    stop: int | None = None


@dataclass(slots=True)
class _Stretch:
    """Pieces of one file that one request reads.

    Attributes:
        places: The indexes of the pieces in the list of the caller.
    """

    file: RangedFile
    start: int
    stop: int
    places: list[int]


def read_pieces(pieces: Sequence[Piece]) -> list[bytes | CtadataError]:
    """Read all pieces, several at the same time.

    Returns:
        The bytes of each piece, or its error. A piece that reaches beyond the end of the file is shorter.
    """
    results: list[bytes | CtadataError] = [b""] * len(pieces)
    reads: list[Callable[[], None]] = []
    bounded: list[tuple[int, Piece]] = []
    for place, piece in enumerate(pieces):
        if piece.stop is not None and piece.start >= 0 <= piece.stop:
            bounded.append((place, piece))
        else:
            reads.append(functools.partial(_read_open, piece, place, results))
    reads += [functools.partial(_read_stretch, stretch, pieces, results) for stretch in _join_pieces(bounded)]
    run_in_fibers(reads)
    return results


def _join_pieces(pieces: Sequence[tuple[int, Piece]]) -> list[_Stretch]:
    """Join the pieces that lie close together in one file."""
    stretches: list[_Stretch] = []
    for place, piece in sorted(pieces, key=lambda each: (id(each[1].file), each[1].start)):
        stop = max(piece.start, piece.stop or 0)
        last = stretches[-1] if stretches else None
        if last and last.file is piece.file and piece.start <= last.stop + GAP and stop <= last.start + LONGEST:
            last.stop = max(last.stop, stop)
            last.places.append(place)
        else:
            stretches.append(_Stretch(piece.file, piece.start, stop, [place]))
    return stretches


def _read_open(piece: Piece, place: int, results: list[bytes | CtadataError]) -> None:
    try:
        results[place] = _read_piece(piece)
    except CtadataError as error:
        results[place] = error


def _read_piece(piece: Piece) -> bytes:
    if piece.stop is None and piece.start < 0:
        return piece.file.read_suffix(-piece.start)
    if piece.stop is None and piece.start == 0:
        return piece.file.read_whole()
    start, stop, _ = slice(piece.start, piece.stop).indices(piece.file.look_up_size())
    return piece.file.read(start, stop)


def _read_stretch(stretch: _Stretch, pieces: Sequence[Piece], results: list[bytes | CtadataError]) -> None:
    try:
        content = stretch.file.read(stretch.start, stretch.stop)
    except CtadataError as error:
        for place in stretch.places:
            results[place] = error
        return
    for place in stretch.places:
        piece = pieces[place]
        stop = max(piece.start, piece.stop or 0)
        whole = len(stretch.places) == 1
        results[place] = content if whole else content[piece.start - stretch.start : stop - stretch.start]
