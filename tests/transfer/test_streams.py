"""A download that goes on to a pipe, at a store that knows no digests, ignores ranges, or changes the file."""

import threading
from contextlib import contextmanager

import pytest
from stores.memory import MemoryStore
from transfer.trees import Recorder

from ctadata.entries import Entry, Kind
from ctadata.errors import IntegrityError, Interrupted
from ctadata.paths import RemotePath
from ctadata.stores.base import Delivery
from ctadata.transfer.plan import Rules
from ctadata.transfer.run import Run
from ctadata.transfer.streams import stream_to

CONTENT = bytes(range(200))
FILE = Entry(RemotePath(("f",)), Kind.FILE, len(CONTENT))


class Breaking(MemoryStore):
    """Gives the file in two reads, the first of which breaks off after 80 bytes."""

    def __init__(self, etags, *, ranges=True):
        super().__init__()
        self.etags, self.ranges, self.turn = etags, ranges, 0

    @contextmanager
    def open(self, path):
        yield self

    def digests(self, path):
        return {}

    def send(self, sink, start=0, stop=None):
        etag, self.turn = self.etags[self.turn], self.turn + 1
        begin = start if self.ranges else 0
        sink.begin(Delivery(begin, len(CONTENT), etag=etag))
        end = 80 if self.turn == 1 else len(CONTENT)
        for i in range(begin, end, 7):
            sink.write(CONTENT[i : min(i + 7, end)])
        if self.turn == 1:
            raise Interrupted("cut")


def poured(store):
    got = []
    run = Run(store, Rules(jobs=1), Recorder(), threading.Event(), pause=lambda seconds: None)
    outcome = stream_to(run, FILE, got.append)
    return b"".join(got), outcome


@pytest.mark.parametrize("ranges", [True, False])
def test_a_stream_continues_without_repeating_bytes(ranges):
    got, outcome = poured(Breaking(['"1"', '"1"'], ranges=ranges))
    assert got == CONTENT
    assert outcome.verified == "size"


@pytest.mark.parametrize("etags", [['"1"', '"2"'], [None, None], ['W/"1"', 'W/"1"']])
def test_a_stream_does_not_continue_with_an_unproved_version(etags):
    with pytest.raises(IntegrityError, match="changed"):
        poured(Breaking(etags))
