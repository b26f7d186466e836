"""Fibers take turns while they wait for sockets, for each other and for threads."""

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from ctadata import fibers
from ctadata.fibers import Condition, Fibers

PATIENCE = 60.0


def together(*functions: Callable[[], object]) -> Fibers:
    """Run the functions in fibers of this thread, and raise the exception of one."""
    these = Fibers()
    these.run(functions)
    return these


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def received(end: socket.socket) -> bytes:
    sockets = {end.fileno(): select.POLLIN}
    assert fibers.wait_for_sockets(sockets, PATIENCE) == [(end.fileno(), select.POLLIN)]
    return end.recv(100)


def test_a_fiber_waits_for_its_socket_while_others_run(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    heard: list[bytes] = []
    together(lambda: heard.append(received(here)), lambda: there.send(b"hello"))
    assert heard == [b"hello"]


def test_a_fiber_is_woken_by_its_own_socket_only() -> None:
    with contextlib.ExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(3)]
        for end in sum(pairs, ()):
            stack.enter_context(end)
        heard: dict[int, bytes] = {}

        def listen(i: int) -> None:
            heard[i] = received(pairs[i][0])
            pairs[(i + 1) % 3][1].send(b"%d" % ((i + 1) % 3))

        together(*(lambda i=i: listen(i) for i in range(3)), lambda: pairs[0][1].send(b"0"))
    assert heard == {0: b"0", 1: b"1", 2: b"2"}


def test_a_poll_without_events_times_out(pair: tuple[socket.socket, socket.socket]) -> None:
    found: list[object] = []

    def wait() -> None:
        for _ in range(2):  # a wait leaves nothing registered
            found.append(fibers.wait_for_sockets({pair[0].fileno(): select.POLLIN}, 0.001))
            pair[1].send(b"x")
            fibers.sleep(0)
            found.append(fibers.wait_for_sockets({}, 0.001))
            pair[0].recv(1)

    these = together(wait)
    assert found == [[]] * 4
    assert these.waited > 0  # however little: a busy machine begins to wait when the time is over


def test_a_fiber_that_is_woken_last_lets_all_others_run_first() -> None:
    idle, turns = Condition(last=True), list[str]()

    def wait(name: str) -> None:
        with idle:
            assert idle.wait(9)
        turns.append(name)
        fibers.sleep(0)
        turns.append(name)

    def work() -> None:
        with idle:
            idle.notify_all()
        for _ in range(3):
            fibers.sleep(0)
            turns.append("work")

    together(lambda: wait("first"), lambda: wait("second"), work)
    assert turns == ["work", "work", "work", "first", "first", "second", "second"]


def test_a_condition_between_two_fibers() -> None:
    change, turns = Condition(), list[str]()

    def play(name: str) -> None:
        for _ in range(3):
            with change:
                while turns and turns[-1] == name:
                    assert change.wait(PATIENCE)
                turns.append(name)
                change.notify()

    together(lambda: play("a"), lambda: play("b"))
    assert "".join(turns) == "ababab"


def test_a_condition_between_fibers_and_threads() -> None:
    change, ready, there = Condition(), list[int](), list[int]()

    def meet(i: int) -> None:
        with change:
            there.append(i)
            change.notify_all()
            while len(there) < 6:
                assert change.wait(PATIENCE)
            ready.append(i)

    threads = [threading.Thread(target=meet, args=(i,), daemon=True) for i in range(3)]
    for thread in threads:
        thread.start()
    together(*(lambda i=i: meet(i) for i in range(3, 6)))
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(ready) == list(range(6))


def test_a_thread_wakes_the_only_fiber() -> None:
    change, requested = Condition(), threading.Event()

    def wake() -> None:
        assert requested.wait(PATIENCE)
        with change:  # held by the fiber until it waits
            change.notify()

    def wait() -> None:
        with change:
            requested.set()
            assert change.wait(PATIENCE)

    thread = threading.Thread(target=wake, daemon=True)
    thread.start()
    together(wait)
    thread.join(PATIENCE)


def test_a_condition_that_nobody_notifies_ends_in_time_and_is_not_notified_later() -> None:
    change, found = Condition(), list[bool]()

    def wait() -> None:
        with change:
            found.append(change.wait(0.001))
            change.notify()
            found.append(change.wait(0.001))

    together(wait)
    assert found == [False, False]


def test_a_fiber_that_waits_for_a_lock_lets_its_holder_run() -> None:
    lock, order, inside = fibers.Lock(), list[str](), threading.Event()

    def hold(name: str) -> None:
        with lock:
            order.append(name)
            inside.set()
            fibers.sleep(0.001)
            order.append(name)

    def from_a_thread() -> None:
        assert inside.wait(PATIENCE)
        hold("c")

    thread = threading.Thread(target=from_a_thread, daemon=True)
    thread.start()
    together(lambda: hold("a"), lambda: hold("b"))
    thread.join(PATIENCE)
    assert order[::2] == order[1::2]
    assert sorted(order[::2]) == ["a", "b", "c"]


def test_a_pause_ends_with_the_event_or_in_time() -> None:
    event, found = threading.Event(), list[bool]()

    def wait() -> None:
        found.append(fibers.wait_for_event(event, 0.001))
        found.append(fibers.wait_for_event(event, PATIENCE))

    def let_go() -> None:
        while not found:
            fibers.sleep(0)
        event.set()

    together(wait, let_go)
    assert found == [False, True]


def test_a_fiber_sleeps_while_others_run() -> None:
    order: list[str] = []

    def sleeper() -> None:
        order.append("asleep")
        fibers.sleep(0.01)
        order.append("awake")

    together(sleeper, lambda: order.append("other"))
    assert order == ["asleep", "other", "awake"]


def test_a_blocking_call_runs_in_a_thread() -> None:
    event, found = threading.Event(), list[object]()

    def block() -> None:
        found.append(fibers.run_in_thread(lambda: event.wait(PATIENCE)))
        with pytest.raises(ZeroDivisionError):
            fibers.run_in_thread(lambda: 1 / 0)

    together(block, event.set)
    assert found == [True]


def test_without_fibers_all_waits_block_the_thread() -> None:
    event = threading.Event()
    assert not fibers.is_in_fiber()
    assert not fibers.wait_for_event(event, 0)
    fibers.sleep(0)
    assert fibers.run_in_thread(threading.current_thread) is threading.current_thread()
    event.set()
    assert fibers.wait_for_event(event, PATIENCE)
    with (change := Condition()):
        assert not change.wait(0.001)


def test_a_thread_has_no_fibers_after_run() -> None:
    together(lambda: None)
    assert not fibers.is_in_fiber()


@pytest.mark.parametrize("wait", [fibers.sleep, lambda seconds: Condition().wait(seconds)])
def test_if_one_fiber_raises_the_others_release_their_resources_in_this_thread(wait: Callable[[float], object]) -> None:
    let_go: list[object] = []

    def hold() -> None:
        try:
            wait(PATIENCE)
        finally:
            let_go.append(threading.current_thread())
            fibers.sleep(PATIENCE)  # nobody waits any more

    def fail() -> None:
        fibers.sleep(0)
        raise KeyError

    with pytest.raises(KeyError):
        together(hold, hold, fail, lambda: None)
    assert not fibers.is_in_fiber()
    assert let_go == [threading.current_thread()] * 2
