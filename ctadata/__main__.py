"""Entry point of `python -m ctadata` and of the commands `cta-data-direct`, `cta-data` and `ctadata`."""

from __future__ import annotations

import gc
import signal
import sys


def main() -> None:
    """Run the command line and exit; this function does not return."""
    gc.set_threshold(10_000)  # imports make many objects that live on: each search for cycles among them is in vain
    if hasattr(signal, "SIGUSR1"):  # it asks a transfer where it stands, and ends nothing, also not during the imports
        signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        from ctadata.cli.main import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # during the imports
        code = 130
    gc.freeze()  # a search for cycles at exit took a fifth of the time of a short command
    sys.exit(code)


if __name__ == "__main__":
    main()
