"""`python -m ctadata` and the commands `cta-data-direct`, `cta-data` and `ctadata`, told apart by their names."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line; does not return."""
    try:
        from ctadata.cli.main import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while Python still reads its modules
        code = 130
    gc.freeze()  # what ends with the process need not be searched for cycles: that took a fifth of a short command
    sys.exit(code)


if __name__ == "__main__":
    main()
