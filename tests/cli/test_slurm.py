"""Tasks of a Slurm array take their shares, and one of the two nodes dies in the middle."""

import json
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from servers.slurm import NODES, start_slurm
from transfer.trees import files_below

from ctadata.sandbox import faults

COUNT = 400
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
