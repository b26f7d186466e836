"""Download in batches with the processes of MPI.

`mpiexec -n 3 python -m mpi4py.futures mpi_many.py DIRECTORY LOCAL RECEIPT` starts them: one is the caller, and the
others are its workers. The program prints the counts.
"""

from __future__ import annotations

import json
import sys


def main(directory: str, local: str, receipt: str) -> None:
    from mpi4py.futures import MPIPoolExecutor

    from ctadata import direct
    from ctadata.transfer import task_queue

    task_queue.MOST_FILES = task_queue.FEWEST_FILES
    with MPIPoolExecutor() as executor:
        files = direct.list_dir(directory, recursive=True)
        summary = direct.get_many(files, local, base=directory, executor=executor, receipt=receipt)
        counts = {"done": summary.done, "skipped": summary.skipped, "failed": len(summary.failed)}
        print(json.dumps({**counts, "workers": executor.num_workers}))


if __name__ == "__main__":
    main(*sys.argv[1:])
