"""The doctor's checks of an S3 store; they send only requests that a key for one directory may send."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ctadata.doctor.finding import GENERAL_ADVICE, Check, Finding, Verdict, check_deletion, check_tls
from ctadata.doctor.sample_file import find_sample_file
from ctadata.errors import ConfigError
from ctadata.session import Session
from ctadata.stores.base import Delivery, StopReading
from ctadata.stores.webdav.probe import PROBE
from ctadata.tokens.access_keys import AccessKeys
from ctadata.transfer import temp_names


class S3Checks:
    """The checks of an S3 profile."""

    def __init__(self, session: Session, path_text: str | None) -> None:
        """Resolve the path; no request is sent.

        Args:
            session: The session to check.
            path_text: As `diagnose` has it.
        """
        self.session = session
        self.profile = session.profile
        self.path_text = path_text or "home:"
        self.path = session.resolve(self.path_text, make=False)

    def checks(self, *, write: bool) -> Mapping[str, Check]:
        """Return the checks in order, by what they are about."""
        always = {"endpoint": self.endpoint, "key": self.key}
        if self.profile.addressing == "website":
            return {**always, "download": self.download}
        if not self.path.parts and self.profile.root == "/":
            return {**always, "bucket": self.no_bucket}
        checks: dict[str, Check] = {**always, "listing": self.listing, "download": self.download}
        return {**checks, "upload": self.upload} if write else checks

    def endpoint(self) -> Iterator[Finding]:
        """Check the connection and its TLS."""
        yield check_tls(self.profile.endpoint or "", self.profile.ca, self.session.stop)

    def key(self) -> Iterator[Finding]:
        """Check the access key; raise LoginNeeded if it has expired."""
        keys = self.session.tokens
        if not isinstance(keys, AccessKeys):
            raise ConfigError(f"the profile {self.profile.name} has no access keys")
        located = keys.locate()
        key = located.key
        if key is None:
            advice = "" if self.profile.anonymous else "only public buckets open without one: run credentials import"
            yield Finding("key", Verdict.WARN if advice else Verdict.OK, f"no key is used ({located.origin})", advice)
            return
        keys.current("")  # raises if the key has expired
        validity = "" if key.expires is None else f", valid for {(key.expires - time.time()) / 60:.0f} minutes"
        kind = "a temporary key" if key.token else "a key"
        yield Finding("key", Verdict.OK, f"{kind} from {located.origin}: {key.id}{validity}")

    def no_bucket(self) -> Iterator[Finding]:
        """Report that neither the profile nor the user named a bucket."""
        yield Finding("bucket", Verdict.WARN, "no bucket was named, so none was checked", "run doctor s3://bucket/")

    def listing(self) -> Iterator[Finding]:
        """Check that the key may list the directory; raise NotFound or Forbidden if not."""
        began = time.monotonic()
        store = self.session.store
        if self.session.info(self.path_text, make=False).is_directory:
            list(itertools.islice(store.list(self.path), 1))
        yield Finding("listing", Verdict.OK, f"{self.path} exists; the answer took {time.monotonic() - began:.1f} s")

    def download(self) -> Iterator[Finding]:
        """Read the first byte of a file, and report the digests that the storage keeps of it."""
        entry = find_sample_file(self.session.store, self.path)
        if entry is None or entry.is_directory:
            yield Finding("download", Verdict.WARN, "found no file to try it with", "name one: doctor PATH")
            return
        began = time.monotonic()
        with self.session.store.open(entry.path) as reading:
            reading.send(_FirstByte(), 0, min(1, entry.size or 0))
        yield Finding("download", Verdict.OK, f"{entry.path} can be read, after {time.monotonic() - began:.1f} s")
        algorithms = sorted(self.session.store.digests(entry.path))
        if algorithms:
            yield Finding("checksums", Verdict.OK, f"the storage keeps {', '.join(algorithms)}")
        else:
            yield Finding(
                "checksums", Verdict.WARN, "the storage keeps none: transfers compare sizes only", GENERAL_ADVICE
            )

    def upload(self) -> Iterator[Finding]:
        """Upload a small file with a name of our own, and delete it again."""
        entry = self.session.store.info(self.path)
        path = (self.path if entry.is_directory else self.path.parent) / temp_names.new_name()
        with tempfile.TemporaryDirectory(prefix="ctadata-") as folder:
            local = Path(folder) / "probe"
            local.write_bytes(PROBE)
            for error in self.session.put([str(local)], str(path)).errors:
                raise error
        yield Finding("upload", Verdict.OK, f"{path.parent} accepts uploads")
        yield check_deletion(self.session.store, path)


class _FirstByte:
    """A sink that stops the reading at the first block."""

    def begin(self, delivery: Delivery) -> None:
        """Do nothing."""

    def write(self, block: bytes | memoryview) -> None:  # noqa: ARG002
        """Stop the reading."""
        raise StopReading
