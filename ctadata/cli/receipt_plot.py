"""Draw the timeline of receipts into a file, with matplotlib."""

from __future__ import annotations

from pathlib import Path

from ctadata.errors import ConfigError, UsageError
from ctadata.printable import escape_unprintable
from ctadata.progress import units
from ctadata.transfer.partial_file import local_errors
from ctadata.transfer.receipt_timeline import Timeline

ENDINGS = (".svg", ".png")


def check_picture(path: Path) -> None:
    """Raise UsageError if the name of a picture has no ending that says its format."""
    if path.suffix.lower() not in ENDINGS:
        raise UsageError("a plot is an .svg or a .png", path=escape_unprintable(str(path)))


def draw(timeline: Timeline, path: Path) -> None:
    """Write a picture: the rate above, failures and retries below.

    Args:
        timeline: The figures.
        path: The file; its ending is the format.

    Raises:
        ConfigError: matplotlib is not installed.
        LocalError: The file cannot be written.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
        from matplotlib.ticker import FuncFormatter, MaxNLocator
    except ImportError:
        raise ConfigError("--plot needs matplotlib", hint="pip install 'ctadata[plot]'") from None
    minutes = timeline.step * len(timeline.rates) > 300
    times = [number * timeline.step / (60 if minutes else 1) for number in range(len(timeline.rates) + 1)]
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "ctadata"}):  # text stays text
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.stairs(timeline.rates, times, fill=True, color="#2a6f97")
        above.yaxis.set_major_formatter(FuncFormatter(lambda rate, _: units.rate(rate)))
        above.set(ylabel="rate", ylim=(0, None))
        for counts, colour, label in (
            (timeline.failures, "#c1121f", "failures"),
            (timeline.retries, "#f4a261", "retries"),
        ):
            below.stairs(counts, times, color=colour, fill=label == "failures", label=f"{sum(counts)} {label}")
        below.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        below.set(xlabel="minutes" if minutes else "seconds", ylabel="files", ylim=(0, None))
        below.legend(loc="upper left", fontsize="small")
        with local_errors(path):
            figure.savefig(path, format=path.suffix[1:].lower(), dpi=150)
