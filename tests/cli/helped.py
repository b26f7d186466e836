"""The command with `--processes`, as on a machine whose processors are idle: `python helped.py get -r ...`."""

from __future__ import annotations

if __name__ == "__main__":
    from ctadata import batch_transfer
    from ctadata.__main__ import main
    from ctadata.transfer import helper_processes

    batch_transfer.usable_processors = lambda: 2
    helper_processes.LOOK = 0.01
    helper_processes.MeasuredDemand.count = lambda self, taken, waiting: 64  # type: ignore[method-assign]
    main()
