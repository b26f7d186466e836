"""Shards: which task moves which file, and which task a process is."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctadata.errors import UsageError
from ctadata.shards import LARGE, WHOLE, Division, Shard, own_items, shard_of

MIB = 1 << 20


def divide(files, count, orders=None):
    """Return the names of each task; `orders` shuffles the listing of each."""
    shares = []
    for index in range(count):
        listing = list(files.items())
        if orders is not None:
            random.Random(orders + index).shuffle(listing)
        own = own_items(listing, Shard(index, count), key=lambda each: each[0], size=lambda each: each[1])
        shares.append([name for name, _ in own])
    return shares


def check_complete(files, shares):
    assert sorted(itertools.chain(*shares)) == sorted(files)  # nothing is missing, nothing is there twice


def check_even(files, shares):
    """Compare the fullest share with the mean, as `docs/guides/many-machines.md` promises."""
    sizes, mean = [sum(map(files.get, share)) for share in shares], sum(files.values()) / len(shares)
    assert max(sizes) <= max(1.1 * mean, mean + max(files.values()))
    if len(files) >= 300 * len(shares):
        assert max(map(len, shares)) <= 1.15 * len(files) / len(shares)


def listing(kind, number=20_000):
    names, at_random = [f"lst/run{i % 97}/file{i:06}.h5" for i in range(number)], random.Random(kind)
    match kind:
        case "equal":
            return dict.fromkeys(names, 200 << 10)
        case "forty large ones":
            return {name: 10**9 if i % (number // 40) == 7 else 4096 for i, name in enumerate(names)}
        case "of all sizes":
            return {name: int(at_random.lognormvariate(11, 1.5)) for name in names}
        case "without size":
            return dict.fromkeys(names, 0)
    raise AssertionError(kind)


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("of all sizes", 4),
        *(
            pytest.param(*case, marks=pytest.mark.full)
            for case in [("equal", 4), ("without size", 16), ("forty large ones", 16), ("forty large ones", 64)]
        ),
        pytest.param("of all sizes", 64, marks=pytest.mark.full),
    ],
)
def test_shares_are_complete_and_even(kind, count):
    files = listing(kind)
    shares = divide(files, count)
    check_complete(files, shares)
    check_even(files, shares)


@given(
    sizes=st.lists(st.one_of(st.integers(0, 4096), st.integers(0, 300 * MIB)), max_size=60),
    count=st.integers(1, 9),
    seed=st.integers(0, 2**32),
)
def test_each_file_has_one_task_in_whatever_order_the_names_come(sizes, count, seed):
    files = {f"é/{i}": size for i, size in enumerate(sizes)}
    shares = divide(files, count, orders=seed)
    check_complete(files, shares)
    assert [sorted(share) for share in shares] == [sorted(share) for share in divide(files, count)]
    if files:
        check_even(files, shares)


def test_tasks_agree_on_more_files_than_wait():
    files = listing("of all sizes", 3000)
    check_complete(files, divide(files, 3, orders=5))


def test_small_files_are_given_out_as_they_are_listed():
    division = Division(Shard(0, 2), key=str, size=lambda i: 10)
    early = [i for i in range(5000) if division.take(i)]
    assert len(early) + len(list(division.end())) == 2500
    assert len(early) > 1500


def test_a_large_file_waits():
    division = Division(Shard(0, 2), key=str, size=lambda i: LARGE)
    assert not any(division.take(i) for i in range(1000))
    assert len(list(division.end())) == 500


def test_one_task_waits_for_nothing():
    assert Division(WHOLE, key=str, size=lambda item: LARGE).take("a")


def test_shares_are_the_same_in_every_version():
    """Tasks of one run may have different versions of this program or of Python."""
    assert [share[:2] for share in divide(listing("equal", 1000), 3)] == [
        ["lst/run54/file000345.h5", "lst/run80/file000371.h5"],
        ["lst/run32/file000323.h5", "lst/run91/file000382.h5"],
        ["lst/run85/file000376.h5", "lst/run95/file000386.h5"],
    ]


@pytest.mark.parametrize("text", ["", "3", "3/", "/4", "4/4", "-1/4", "1/0", "a/b", "1/4/4", "٣/4", "0/1000001"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(UsageError, match=r"shard|task"):
        Shard.parse(text)


def test_a_shard_is_written_as_it_is_read():
    assert Shard.parse("3/16") == Shard(3, 16)
    assert str(Shard(3, 16)) == "3/16"


def array(task, first, last, step=1, count=None):
    count = (last - first) // step + 1 if count is None else count
    names = {"ID": task, "MIN": first, "MAX": last, "STEP": step, "COUNT": count}
    return {"SLURM_JOB_ID": "7", **{f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in names.items()}}


def step(process, processes):
    return {"SLURM_JOB_ID": "7", "SLURM_PROCID": str(process), "SLURM_STEP_NUM_TASKS": str(processes)}


def grid_engine(task, first, last, step=1):
    names = {"ID": task, "FIRST": first, "LAST": last, "STEPSIZE": step}
    return {f"SGE_TASK_{name}": str(value) for name, value in names.items()}


@pytest.mark.parametrize(
    ("environment", "shard"),
    [
        (array(0, 0, 15), "0/16"),
        (array(16, 1, 16), "15/16"),
        (array(7, 3, 11, step=4), "1/3"),
        (array(5, 5, 5), "0/1"),
        (step(3, 4), "3/4"),
        ({**array(2, 0, 7), "SLURM_PROCID": "0"}, "2/8"),
        ({**array(2, 0, 7), **step(1, 4)}, "9/32"),
        ({"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "6"}, "2/6"),
        ({**step(0, 2), "OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_SIZE": "6"}, "5/6"),
        ({**array(1, 0, 1), "OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_SIZE": "6"}, "11/12"),
        ({"PMI_RANK": "1", "PMI_SIZE": "3"}, "1/3"),
        ({"PALS_RANKID": "1", "PMI_RANK": "1", "PMI_SIZE": "3"}, "1/3"),
        ({**step(1, 3), "PMI_RANK": "1", "PMI_SIZE": "3"}, "1/3"),
        (grid_engine(1, 1, 16), "0/16"),
        (grid_engine(9, 1, 10, 4), "2/3"),
        (grid_engine(9, 1, 9, 4), "2/3"),
        ({**grid_engine(2, 1, 2), "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4"}, "5/8"),
        ({"SGE_TASK_ID": "undefined", "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4"}, "1/4"),
        ({"LSB_JOBINDEX": "0", "PMI_RANK": "1", "PMI_SIZE": "3"}, "1/3"),
    ],
)
def test_a_scheduler_names_the_shard(environment, shard):
    assert str(shard_of(environment)) == shard


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "no scheduler"),
        ({"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, "srun has not started"),
        (array(3, 3, 7, count=2), "have gaps"),
        (array(5, 3, 7, step=4), "have gaps"),
        ({**array(3, 3, 7), "SLURM_ARRAY_TASK_COUNT": ""}, "SLURM_ARRAY_TASK_COUNT"),
        ({"SLURM_ARRAY_TASK_ID": "3"}, "no number"),
        ({"PMI_RANK": "3", "PMI_SIZE": "3"}, "numbers 0 to 2"),
        ({"SGE_TASK_ID": "undefined"}, "no scheduler"),
        ({"SGE_TASK_ID": "3", "SGE_TASK_FIRST": "1", "SGE_TASK_LAST": "4"}, "SGE_TASK_STEPSIZE"),
        ({"PBS_ARRAY_INDEX": "3"}, "PBS does not tell"),
        ({"PBS_ARRAY_INDEX": "3", "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4"}, "PBS does not tell"),
        ({"PBS_ARRAYID": "3"}, "TORQUE does not tell"),
        ({"LSB_JOBINDEX": "3", "LSB_JOBINDEX_END": "16"}, "LSF does not tell"),
        ({"_CONDOR_JOB_AD": "/scratch/.job.ad"}, "HTCondor does not tell"),
        ({**array(3, 0, 7), "DIRACJOBID": "7"}, "DIRAC does not tell"),  # the array is one of pilots
    ],
)
def test_a_shard_that_nobody_names_is_an_error(environment, words):
    with pytest.raises(UsageError, match=words):
        shard_of(environment)
