"""Tasks of Dask in two worker processes: `python dask_program.py URL TASKS TOKEN RENEWALS`.

It goes on until the file TOKEN was renewed so often, and prints the sums of all rounds and what has travelled.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

URL, TASKS, TOKEN, RENEWALS = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])


def total(files: Any, path: str) -> float:
    """Read one column of one file."""
    import h5py

    with files.open(path) as file, h5py.File(file) as found:
        return float(found["energy"][:].sum())


def main() -> None:
    import cloudpickle
    import fsspec
    from dask import delayed
    from distributed import Client, LocalCluster

    files = fsspec.filesystem("cta")
    paths = [f"{URL}/{number:03}.h5" for number in range(200)]
    with (
        LocalCluster(n_workers=2, processes=True, threads_per_worker=4, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        tasks = [delayed(total, pure=False)(files, paths[number % 200]) for number in range(TASKS)]
        travelled = [repr(cloudpickle.dumps(each)) for each in (tasks[0], files, fsspec.open(paths[0]))]
        travelled += [files.to_json(), repr(files), repr(tasks[0].__dask_graph__())]
        sums, renewed = [], {TOKEN.stat().st_mtime_ns}
        while len(renewed) <= RENEWALS:
            sums.append(sum(client.gather(client.compute(tasks, retries=0))))
            renewed.add(TOKEN.stat().st_mtime_ns)
        travelled += [repr(client.get_worker_logs()), repr(client.get_scheduler_logs())]
        processes = {each["pid"] for each in client.run(_process).values()}
        assert len(processes) == 2
    print(json.dumps({"sums": sums, "travelled": travelled}))


def _process() -> dict[str, int]:
    import os

    return {"pid": os.getpid()}


if __name__ == "__main__":
    main()
