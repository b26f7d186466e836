"""Download in batches with two workers of Dask: `python dask_many.py KIND DIRECTORY LOCAL RECEIPT [PIDS]`.

KIND is local, or slurm: dask-jobqueue then submits each worker as a job. The program writes the ids of local workers to
PIDS, and prints the counts.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

KIND, DIRECTORY, LOCAL, RECEIPT, *PIDS = sys.argv[1:]


def main() -> None:
    from distributed import Client

    from ctadata import direct
    from ctadata.transfer import task_queue

    task_queue.MOST_FILES = task_queue.FEWEST_FILES
    with _cluster() as cluster, Client(cluster) as client:
        client.wait_for_workers(2)
        for file in PIDS:
            Path(file).write_text("\n".join(map(str, client.run(os.getpid).values())))
        files = direct.list_dir(DIRECTORY, recursive=True)
        summary = direct.get_many(
            files, LOCAL, base=DIRECTORY, executor=client.get_executor(), at_once=2, receipt=RECEIPT
        )
    print(json.dumps({"done": summary.done, "skipped": summary.skipped, "failed": len(summary.failed)}))


def _cluster() -> Any:
    if KIND == "local":
        from distributed import LocalCluster

        return LocalCluster(n_workers=2, processes=True, threads_per_worker=1, dashboard_address=None)
    from dask_jobqueue import SLURMCluster

    cluster = SLURMCluster(
        cores=1,
        processes=1,
        memory="1GB",
        interface="lo",
        walltime="00:30:00",
        job_directives_skip=["--mem"],  # the nodes of the tests have no memory of their own
        job_extra_directives=["--exclusive"],  # one worker on each node
        scheduler_options={"dashboard_address": None},
    )
    cluster.scale(jobs=2)
    return cluster


if __name__ == "__main__":
    main()
