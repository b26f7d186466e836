"""An S3 store, looked at: only what a key for one directory may ask is asked."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ctadata.doctor.finding import TELL, Check, Finding, Verdict, deletion, tls
from ctadata.doctor.sample_file import a_file
from ctadata.errors import ConfigError
from ctadata.session import Session
from ctadata.stores.base import Delivery, StopReading
from ctadata.stores.webdav.probe import PROBE
from ctadata.tokens.access_keys import AccessKeys
from ctadata.transfer import temp_names


class ObjectsExamination:
    """The checks of an S3 profile."""

    def __init__(self, session: Session, named: str | None) -> None:
        """Nothing is asked.   named: as `diagnose` has it."""
        self.session = session
        self.profile = session.profile
        self.named = named or "home:"
        self.path = session.resolve(self.named, make=False)

    def checks(self, *, write: bool) -> Mapping[str, Check]:
        """In order, by what they are about."""
        always = {"endpoint": self.endpoint, "key": self.key}
        if self.profile.addressing == "website":
            return {**always, "download": self.download}
        if not self.path.parts and self.profile.root == "/":
            return {**always, "bucket": self.no_bucket}
        checks: dict[str, Check] = {**always, "listing": self.listing, "download": self.download}
        return {**checks, "upload": self.upload} if write else checks

    def endpoint(self) -> Iterator[Finding]:
        """How it is reached."""
        yield tls(self.profile.endpoint or "", self.profile.ca, self.session.stop)

    def key(self) -> Iterator[Finding]:
        """Which access key counts; LoginNeeded where it has expired."""
        keys = self.session.tokens
        if not isinstance(keys, AccessKeys):
            raise ConfigError(f"the profile {self.profile.name} has no access keys")
        found = keys.locate()
        if found.key is None:
            advice = "" if self.profile.anonymous else "only public buckets open so; else: credentials import"
            yield Finding("key", Verdict.WARN if advice else Verdict.OK, f"none is used by {found.origin}", advice)
            return
        keys.current("")  # raises where it has expired
        left = "" if found.key.expires is None else f", good for {(found.key.expires - time.time()) / 60:.0f} minutes"
        kind = "a temporary one" if found.key.token else "one"
        yield Finding("key", Verdict.OK, f"{kind} from {found.origin}: {found.key.id}{left}")

    def no_bucket(self) -> Iterator[Finding]:
        """Nobody has said which."""
        yield Finding("bucket", Verdict.WARN, "none was named, so none was asked", "name one: doctor s3://bucket/")

    def listing(self) -> Iterator[Finding]:
        """Whether the directory can be looked into; NotFound, Forbidden."""
        began = time.monotonic()
        store = self.session.store
        if self.session.info(self.named, make=False).is_directory:
            list(itertools.islice(store.list(self.path), 1))
        yield Finding("listing", Verdict.OK, f"{self.path} is there, after {time.monotonic() - began:.1f} s")

    def download(self) -> Iterator[Finding]:
        """The first byte of a file, and what can be compared in the end."""
        entry = a_file(self.session.store, self.path)
        if entry is None or entry.is_directory:
            yield Finding("download", Verdict.WARN, "no file was found to try it with", "name one: doctor PATH")
            return
        began = time.monotonic()
        with self.session.store.open(entry.path) as reading:
            reading.send(_FirstByte(), 0, min(1, entry.size or 0))
        yield Finding("download", Verdict.OK, f"{entry.path} comes, after {time.monotonic() - began:.1f} s")
        known = sorted(self.session.store.digests(entry.path))
        if known:
            yield Finding("checksums", Verdict.OK, f"the storage keeps {', '.join(known)}")
        else:
            yield Finding("checksums", Verdict.WARN, "the storage keeps none: only sizes can be compared", TELL)

    def upload(self) -> Iterator[Finding]:
        """A small file of a name of our own, deleted again."""
        entry = self.session.store.info(self.path)
        path = (self.path if entry.is_directory else self.path.parent) / temp_names.new_name()
        with tempfile.TemporaryDirectory(prefix="ctadata-") as folder:
            local = Path(folder) / "probe"
            local.write_bytes(PROBE)
            for error in self.session.put([str(local)], str(path)).errors:
                raise error
        yield Finding("upload", Verdict.OK, f"{path.parent} takes files")
        yield deletion(self.session.store, path)


class _FirstByte:
    """Takes no more."""

    def begin(self, delivery: Delivery) -> None:
        """It comes."""

    def write(self, block: bytes) -> None:  # noqa: ARG002
        """Enough."""
        raise StopReading
