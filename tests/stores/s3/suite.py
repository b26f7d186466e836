"""The suite of all stores, with the differences of S3."""

from __future__ import annotations

from stores.suite import StoreSuiteWithoutTreeMoves, get, put

from ctadata.entries import Kind


class S3Suite(StoreSuiteWithoutTreeMoves):
    """The contract of a store as far as S3 can keep it."""

    def test_a_directory_is_not_replaced_by_a_file(self, store, folder):
        """An object may have the name of a directory; both stay."""
        store.mkdir(folder / "sub")
        put(store, folder / "sub" / "a", b"below")
        put(store, folder / "sub", b"file")
        assert (get(store, folder / "sub"), get(store, folder / "sub" / "a")) == (b"file", b"below")
        assert store.info(folder / "sub").kind is Kind.FILE
        assert {entry.kind for entry in store.list(folder)} == {Kind.FILE, Kind.DIRECTORY}
