"""What IPython and notebooks show of an error: the frames of the caller, and not those inside the package.

IPython calls the method `_render_traceback_` of an exception, if there is one, and shows the lines that it returns.
"""

from __future__ import annotations

import itertools
import os
import traceback

_PACKAGE = os.path.dirname(__file__) + os.sep  # noqa: PTH120


def shows_all_frames() -> bool:
    """Whether CTADATA_DEBUG=1 asks for all frames."""
    return os.environ.get("CTADATA_DEBUG", "0") not in ("", "0")


def caller_traceback(error: BaseException) -> list[str]:
    """Return the lines of a traceback with the frames of the caller; with CTADATA_DEBUG=1 with all frames."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/IPython/" not in frame.filename]
    if not shows_all_frames():
        frames = list(itertools.takewhile(lambda frame: not frame.filename.startswith(_PACKAGE), frames))
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames), f"{type(error).__name__}: {error}"]
    return "".join(lines).splitlines()


def shorten_interrupt(error: BaseException | None) -> None:
    """Leave out the frames inside the package of an interrupt (Ctrl-C), and the errors that it came in between.

    A notebook shows one line. With CTADATA_DEBUG=1, and for any other exception, nothing changes.

    Args:
        error: The exception that leaves the outermost block of the package.
    """
    if isinstance(error, KeyboardInterrupt) and not shows_all_frames():
        error.__suppress_context__ = True
        error.__traceback__ = None  # Python adds the frames of the callers again
        error._render_traceback_ = lambda: [type(error).__name__]  # type: ignore[attr-defined]
