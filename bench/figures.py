"""Figures: what many rounds say together, and whether a row meets its target."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

WIDE = 0.20
"""Where the ratios spread by more than this share of their median, the better quartile is judged, not the median."""


@dataclass(frozen=True)
class Target:
    """What a row is to reach: at least, or (`most`) at most, `value`."""

    value: float
    most: bool = False

    def __str__(self) -> str:
        """As it stands in the table."""
        return f"{'<=' if self.most else '>='} {self.value:g}"


@dataclass(frozen=True)
class Row:
    """One line of the result.

    work, peer: what was done, and who else did it (what else our figure is compared with).
    ours, theirs: medians, in `unit`; None where nothing was measured.
    ratio:    median over the rounds, larger is better for us where the target is a lower bound.
    spread:   (largest - smallest) / median of what is judged.
    met:      None without a target or a measurement.
    note:     what is to be known besides, as why nothing was measured.
    """

    work: str
    peer: str
    unit: str
    ours: float | None = None
    theirs: float | None = None
    ratio: float | None = None
    target: float | None = None
    bound: str | None = None
    met: bool | None = None
    spread: float | None = None
    rounds: int = 0
    note: str = ""


def compare(
    work: str,
    peer: str,
    unit: str,
    pairs: Sequence[tuple[float, float]],
    target: Target | None,
    *,
    rate: bool = False,
    note: str = "",
) -> Row:
    """The row of rounds with a peer; `pairs` holds (ours, theirs) of each round.

    rate: the figures are better the larger they are (a rate), otherwise the smaller (seconds, CPU).
    The ratio is how many times better ours is; for a target `at most` it is ours / theirs.
    """
    if target and target.most:
        ratios = [ours / theirs for ours, theirs in pairs]
    else:
        ratios = [ours / theirs if rate else theirs / ours for ours, theirs in pairs]
    judged, spread = _judged(ratios, target)
    return Row(
        work,
        peer,
        unit,
        ours=statistics.median(ours for ours, _ in pairs),
        theirs=statistics.median(theirs for _, theirs in pairs),
        ratio=statistics.median(ratios),
        target=target.value if target else None,
        bound=str(target) if target else None,
        met=_met(judged, target),
        spread=spread,
        rounds=len(pairs),
        note=note,
    )


def alone(work: str, unit: str, ours: Sequence[float], target: Target, *, note: str = "") -> Row:
    """The row of a figure of ours that has a bound of its own, as of memory."""
    judged, spread = _judged(ours, target)
    return Row(
        work,
        "-",
        unit,
        ours=statistics.median(ours),
        target=target.value,
        bound=str(target),
        met=_met(judged, target),
        spread=spread,
        rounds=len(ours),
        note=note,
    )


def missing(work: str, peer: str, unit: str, target: Target | None, why: str) -> Row:
    """The row of a peer that is not there, or could not do the work."""
    return Row(
        work,
        peer,
        unit,
        target=target.value if target else None,
        bound=str(target) if target else None,
        note=why,
    )


def _judged(values: Sequence[float], target: Target | None) -> tuple[float, float]:
    """What is compared with the target, and the spread."""
    median = statistics.median(values)
    spread = (max(values) - min(values)) / median if median else 0.0
    if spread <= WIDE or len(values) < 2:
        return median, spread
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return (low if target and target.most else high), spread


def _met(judged: float, target: Target | None) -> bool | None:
    if target is None:
        return None
    return judged <= target.value if target.most else judged >= target.value
