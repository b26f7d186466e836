"""`python -m ctadata` and the commands `cta-data-direct`, `cta-data` and `ctadata`, told apart by their names."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; does not return."""
    try:
        from ctadata.cli.main import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while Python still reads its modules
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
