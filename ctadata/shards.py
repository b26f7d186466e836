"""Shards: the files of one run divided among several tasks, which do not talk to each other.

Each task sees the whole listing, decides for every file which task moves it, and moves its own. So all tasks must
decide alike, in whatever order the server sends the names:

- A small file goes to the task that a hash of its path names, as soon as it is listed.
- A large file waits until the listing ends. Then the large files, sorted by size and path, go one by one to the task
  that has the fewest bytes, with the bytes counted that the hash gave to each. A hash alone gives one task nine times
  the mean if 40 files of 1 GB lie among 20,000 small ones and 64 tasks share them.
- A few small files wait too: those whose hashes are the lowest. They even out what chance makes uneven, in bytes and in
  the number of files.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from ctadata.errors import UsageError

T = TypeVar("T")

LARGE = 64 << 20
"""Bytes from which a file waits until the listing ends."""

WAITING = 100
"""Small files for each task that wait until the listing ends.

The number of files that a hash gives to a task varies by the square root of the mean m, and the fullest of 1,000 tasks
has some 3.3 times this more than m. A reserve of 3.3 √m - 0.05 m for each task, at most 55, lets all tasks end within
5% of the mean; the rest evens out sizes.
"""

EVEN = 1.05
"""The largest number of files of a task, in multiples of the mean, while small files are given to it."""

MOST = 1_000_000
"""The largest number of tasks."""

_HINT = "such as --shard 0/16, for the first of 16 tasks; the last one is 15/16"


@dataclass(frozen=True, slots=True)
class Shard:
    """The share of one task.

    Attributes:
        index: The number of the task, from 0.
        count: The number of tasks.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        """Raise UsageError if there is no such task."""
        if not 0 < self.count <= MOST:
            raise UsageError(f"{self.count} is no number of tasks", hint=_HINT)
        if not 0 <= self.index < self.count:
            raise UsageError(f"the tasks of {self.count} have the numbers 0 to {self.count - 1}", hint=_HINT)

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the shard that `3/16` names. Raises UsageError."""
        index, slash, count = text.partition("/")
        if not (slash and _is_number(index) and _is_number(count)):
            raise UsageError(f"{text!r} is no shard", hint=_HINT)
        return cls(int(index), int(count))

    def owns(self, key: str) -> bool:
        """Return whether a name alone belongs to this task, whatever its size and the other names are."""
        return self.count == 1 or _hash(key, self.count)[1] == self.index

    def __str__(self) -> str:
        """Return the form that `parse` reads."""
        return f"{self.index}/{self.count}"


WHOLE = Shard(0, 1)
"""All files: the share of the only task."""


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


_LAUNCHERS = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PALS_RANKID", "PMI_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
)
"""The variables with the number of a process and the number of processes: Open MPI's mpirun, HPE's PALS, MPICH's hydra,
Slurm's srun. mpirun starts its helpers with srun, so its own variables come first.
"""


_COUNT_UNKNOWN = (
    ("DIRACJOBID", "DIRAC", "write it yourself in the job's arguments, as --shard %n/16 for Parameters = 16"),
    ("_CONDOR_JOB_AD", "HTCondor", "write it yourself in the job's arguments, as --shard $(Process)/16 for queue 16"),
    ("PBS_ARRAY_INDEX", "PBS", "write it yourself, as --shard $PBS_ARRAY_INDEX/16 for qsub -J 0-15"),
    ("PBS_ARRAYID", "TORQUE", "write it yourself, as --shard $PBS_ARRAYID/16 for qsub -t 0-15"),
    ("LSB_JOBINDEX", "LSF", "write it yourself, as --shard $((LSB_JOBINDEX - 1))/16 for bsub -J 'get[1-16]'"),
)
"""The schedulers that do not tell a task the number of tasks: a variable of each task, the name, and the cure.

HTCondor's job ad has TotalSubmitProcs, which some versions set too low, and which also counts other jobs of the submit
file. LSF tells the last index (LSB_JOBINDEX_END), but not the first one.
"""


def shard_of(environment: Mapping[str, str]) -> Shard:
    """Return the shard that a scheduler's variables name, for `--shard auto`.

    A task of an array (Slurm's or Grid Engine's) and a process of a step are both counted: an array of 8 tasks with 4
    processes each has 32 shards. `SLURM_PROCID` counts only inside a step, where `SLURM_STEP_NUM_TASKS` is set: in a
    batch script it is 0, whatever the number of tasks. See "OUTPUT ENVIRONMENT VARIABLES" in sbatch(1) and srun(1).

    Args:
        environment: The environment of the process.

    Raises:
        UsageError: No scheduler has set its variables, they do not tell the number of tasks, or the indices of the
            Slurm array have gaps.
    """
    for name, scheduler, cure in _COUNT_UNKNOWN:
        if environment.get(name, "0") != "0":  # LSF sets 0 in a job that is no array
            raise UsageError(f"--shard auto: {scheduler} does not tell a task how many tasks there are", hint=cure)
    array = _array_task(environment)
    process = next(filter(None, (_process(environment, *names) for names in _LAUNCHERS)), None)
    if array is None and process is None:
        if "SLURM_JOB_ID" in environment:
            raise UsageError(
                "--shard auto: this Slurm job is no array, and srun has not started this process",
                hint="use sbatch --array=0-15, or start the command with srun",
            )
        raise UsageError(
            "--shard auto: no scheduler has told this process its number",
            hint="it knows arrays of Slurm and Grid Engine, srun, and mpirun of Open MPI, MPICH and PALS; elsewhere, "
            "write it yourself, as --shard 3/16",
        )
    outer, inner = array or WHOLE, process or WHOLE
    return Shard(outer.index * inner.count + inner.index, outer.count * inner.count)


def _array_task(environment: Mapping[str, str]) -> Shard | None:
    if "SLURM_ARRAY_TASK_ID" not in environment:
        return _grid_engine_task(environment)
    task, count, first, last, step = (
        _number(environment, f"SLURM_ARRAY_TASK_{name}") for name in ("ID", "COUNT", "MIN", "MAX", "STEP")
    )
    index, rest = divmod(task - first, max(step, 1))
    if rest or last - first != (count - 1) * max(step, 1):
        raise UsageError(
            f"--shard auto: the indices of this Slurm array have gaps: it has {count} tasks from {first} to {last}",
            hint="use a regular array, as --array=0-15; to repeat some tasks, use the --shard that each has printed",
        )
    return Shard(index, count)


def _grid_engine_task(environment: Mapping[str, str]) -> Shard | None:
    """Return the task of `qsub -t FIRST-LAST:STEP`, whose last index may be no task's; see qsub(1) of Grid Engine."""
    if environment.get("SGE_TASK_ID", "undefined") == "undefined":
        return None
    task, first, last, step = (_number(environment, f"SGE_TASK_{name}") for name in ("ID", "FIRST", "LAST", "STEPSIZE"))
    step = max(step, 1)
    return Shard((task - first) // step, (last - first) // step + 1)


def _process(environment: Mapping[str, str], rank: str, size: str) -> Shard | None:
    if rank not in environment or size not in environment:
        return None
    return Shard(_number(environment, rank), _number(environment, size))


def _number(environment: Mapping[str, str], name: str) -> int:
    value = environment.get(name, "")
    if not _is_number(value):
        raise UsageError(f"--shard auto: {name} is {value!r}, and no number", hint=_HINT)
    return int(value)


def own_items(
    items: Iterable[T], shard: Shard, *, key: Callable[[T], str], size: Callable[[T], int | None]
) -> Iterator[T]:
    """Yield the items of a task: most small ones as they come, the others at the end.

    Args:
        items: All items of all tasks; each task gives the same ones, in any order.
        shard: The task.
        key: Returns the name of an item, which no other item has.
        size: Returns the bytes of an item; None if they are not known, which counts as 0.
    """
    division = Division(shard, key=key, size=size)
    yield from (item for item in items if division.take(item))
    yield from division.end()


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T]):
    """An item that waits for the end of the listing; the least one has the highest hash."""

    hashed: int
    key: str
    size: int
    task: int
    item: T

    def __lt__(self, other: _Waiting[T]) -> bool:
        return (self.hashed, self.key) > (other.hashed, other.key)


class Division(Generic[T]):
    """The division of one listing among tasks. Any thread may call it."""

    def __init__(self, shard: Shard, *, key: Callable[[T], str], size: Callable[[T], int | None]) -> None:
        """Start with an empty listing.

        Args:
            shard: The task.
            key: Returns the name of an item, which no other item has; it is the same in all tasks.
            size: Returns the bytes of an item; None if they are not known, which counts as 0.
        """
        self.shard = shard
        self._key, self._size = key, size
        self._files = [0] * shard.count
        self._bytes = [0] * shard.count
        self._large: list[_Waiting[T]] = []
        self._small: list[_Waiting[T]] = []
        self._late: list[T] = []
        self._lock = threading.Lock()

    def take(self, item: T) -> bool:
        """Return whether an item of the listing belongs to this task for certain; if not, `end` may yield it."""
        if self.shard.count == 1:
            return True
        key, size = self._key(item), self._size(item) or 0
        hashed, task = _hash(key, self.shard.count)
        with self._lock:
            if size >= LARGE:
                self._large.append(_Waiting(hashed, key, size, task, item))
            elif len(self._small) < WAITING * self.shard.count:
                heapq.heappush(self._small, _Waiting(hashed, key, size, task, item))
            elif hashed > self._small[0].hashed:
                return self._decide(size, task)
            else:
                decided = heapq.heappushpop(self._small, _Waiting(hashed, key, size, task, item))
                if self._decide(decided.size, decided.task):
                    self._late.append(decided.item)
        return False

    def _decide(self, size: int, task: int) -> bool:
        self._files[task] += 1
        self._bytes[task] += size
        return task == self.shard.index

    def end(self) -> Iterator[T]:
        """Yield the items of this task that have waited for the end of the listing; one thread calls it once."""
        mean = (sum(self._files) + len(self._small) + len(self._large)) / self.shard.count
        empty = ((0, 0, task) for task, files in enumerate(self._files) if not files)  # often most of many tasks
        light = [(self._bytes[task], files, task) for task, files in enumerate(self._files) if files]
        light += itertools.islice(empty, 1)
        heapq.heapify(light)
        for waiting in sorted([*self._large, *self._small], key=lambda each: (-each.size, each.key)):
            if waiting.size < LARGE:
                while len(light) > 1 and light[0][1] >= EVEN * mean:
                    heapq.heappop(light)
            _, files, task = light[0]
            is_own = self._decide(waiting.size, task)
            heapq.heapreplace(light, (self._bytes[task], self._files[task], task))
            if not files:
                for each in itertools.islice(empty, 1):
                    heapq.heappush(light, each)
            if is_own:
                yield waiting.item
        self._large, self._small = [], []
        yield from self._late


def _hash(key: str, count: int) -> tuple[int, int]:
    """Return a number that orders the keys at random, and a task; Python's own hash differs between processes."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=16).digest()
    return int.from_bytes(digest[:8]), int.from_bytes(digest[8:]) % count
