"""Download in batches with two workers of Dask: `python dask_many.py DIRECTORY LOCAL RECEIPT PIDS`.

It writes the ids of the workers' processes to PIDS, and prints the counts.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

DIRECTORY, LOCAL, RECEIPT, PIDS = sys.argv[1:]


def main() -> None:
    from distributed import Client, LocalCluster

    from ctadata import direct
    from ctadata.transfer import task_queue

    task_queue.MOST_FILES = task_queue.FEWEST_FILES
    with (
        LocalCluster(n_workers=2, processes=True, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        Path(PIDS).write_text("\n".join(str(each["pid"]) for each in client.run(_process).values()))
        files = direct.list_dir(DIRECTORY, recursive=True)
        summary = direct.get_many(
            files, LOCAL, base=DIRECTORY, executor=client.get_executor(), at_once=2, receipt=RECEIPT
        )
    print(json.dumps({"done": summary.done, "skipped": summary.skipped, "failed": len(summary.failed)}))


def _process() -> dict[str, int]:
    import os

    return {"pid": os.getpid()}


if __name__ == "__main__":
    main()
