"""Tasks of a Slurm array, and workers of Dask that are jobs of Slurm; one of the two nodes dies in the middle."""

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from servers.slurm import NODES, start_slurm
from transfer.trees import files_below

from ctadata.sandbox import faults

COUNT = 400
DASK = Path(__file__).parents[1] / "direct" / "dask_many.py"
SCRIPT = """\
#!/bin/sh
#SBATCH --array=0-7
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=task.%a.txt
exec {python} -m ctadata get -r {place}/run/ out --shard auto --at-once 4 --receipt 'r.{{shard}}.jsonl'
"""


@pytest.fixture
def slurm():
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, start_slurm(Path(folder)) as slurm:
        yield slurm


def test_an_array_is_complete_after_a_node_has_died(at_box, box, place, slurm):
    content = {f"{number % 5}/{number}": b"%d" % number for number in range(COUNT)}
    for name, data in content.items():
        box.files.put(f"/{place}/run/{name}", data)
    (at_box.cwd / "job.sh").write_text(SCRIPT.format(python=sys.executable, place=place))
    killed = Counter()

    def kill_a_node():
        node = next(node for node in NODES if slurm.job_processes(node))
        killed[node] += slurm.kill_node(node)

    rule = box.faults.add("pool", "GET", "*", faults.Meanwhile(kill_a_node), times=1, skip=60)
    slurm.run("sbatch", "--wait", "job.sh", env=at_box.env, cwd=at_box.cwd)
    assert rule.hits == 1
    assert sum(killed.values()) >= 2
    jobs = slurm.run("scontrol", "show", "job")
    assert re.search(r"Restarts=[1-9]", jobs), jobs
    assert set(re.findall(r"JobState=(\w+)", jobs)) == {"COMPLETED"}
    assert files_below(at_box.cwd / "out") == content
    merged = at_box("receipts", "merge", *sorted(at_box.cwd.glob("r.*.jsonl")), check=0).out.splitlines()
    paths = sorted(json.loads(line)["path"] for line in merged)
    assert paths == sorted(f"{place}/run/{name}" for name in content)
    last = at_box("get", "-r", f"{place}/run/", "out", check=0)
    assert f"cta-data-direct: {COUNT} files skipped, equal already\n" in last.err


def test_a_node_with_a_worker_of_dask_dies(at_box, box, place, slurm, cluster):
    content = {f"{number % 5}/{number}": b"%d" % number for number in range(COUNT)}
    for name, data in content.items():
        box.files.put(f"/{place}/run/{name}", data)
    killed = Counter()

    def kill_a_node():
        node = next(node for node in NODES if slurm.job_processes(node))
        killed[node] += slurm.kill_node(node)

    rule = box.faults.add("pool", "GET", "*", faults.Meanwhile(kill_a_node), times=1, skip=60)
    program = [str(cluster), str(DASK), "slurm", f"{place}/run", "out", "r.jsonl"]
    env = {**slurm.env, **at_box.env}
    done = subprocess.run(program, env=env, cwd=at_box.cwd, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{slurm.log()}"
    assert rule.hits == 1
    assert sum(killed.values()) >= 2
    counts = json.loads(done.stdout.splitlines()[-1])
    assert (counts["done"] + counts["skipped"], counts["failed"]) == (COUNT, 0)
    assert files_below(at_box.cwd / "out") == content
    paths = sorted(json.loads(line)["path"] for line in (at_box.cwd / "r.jsonl").read_text().splitlines())
    assert paths == sorted(f"{place}/run/{name}" for name in content)
