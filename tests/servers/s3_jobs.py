"""Somebody who does a job at an S3 server, and what becomes of it: done, refused in words, or done wrongly."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from uuid import uuid4

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from servers.rgw import Rgw
from servers.s3_client import Keys
from servers.s3_servers import S3Server

COMMAND = [sys.executable, "-m", "ctadata"]
PATIENCE = 600.0  # seconds that a command may take: some send 5,000 files to a server in Python
PART = 5 << 20
_NO_XML = "boto3 gets an answer that is no XML"
NEVER = ("UnicodeDecodeError", "Traceback")


class Cannot(Exception):
    """A command that failed: what it wrote, and its exit code."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(said)
        self.code = code


@dataclass
class Visit:
    """One server, with a user, a bucket and a local folder of this visit's own."""

    site: Rgw | S3Server
    keys: Keys
    home: Path
    bucket: str = field(default_factory=lambda: f"visit-{uuid4().hex[:10]}")
    notes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home.mkdir()
        self.boto3.create_bucket(Bucket=self.bucket)
        self.settle(self.site.http)

    @property
    def boto3(self) -> Any:
        return self.site.client(self.keys)

    def settle(self, endpoint: str) -> None:
        """The profiles `at`, with a large file in small parts, and `public`, without a key."""
        at = f'kind = "s3"\nendpoint = "{endpoint}"\naddressing = "path"\n'
        text = f'[profiles.at]\n{at}part_size = "{PART >> 20}MiB"\n[profiles.public]\n{at}anonymous = true\n'
        (self.home / "config.toml").write_text(f'default = "at"\n{text}')

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command. `@x` is the path of `x` in the bucket."""
        argv = [re.sub("(^|(?<=^at:))@", f"/{self.bucket}/", word) for word in words]
        names = {"AWS_ACCESS_KEY_ID": self.keys.access, "AWS_SECRET_ACCESS_KEY": self.keys.secret}
        env = {**os.environ, **names, "HOME": str(self.home), "CTADATA_CONFIG": str(self.home / "config.toml")}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        env["XDG_STATE_HOME"] = str(self.home / "state")
        return subprocess.Popen([*COMMAND, *argv], env=env, cwd=self.home, text=True, errors="surrogateescape", **pipes)

    def run(self, *words: str) -> str:
        """What a command prints; Cannot where it fails."""
        with self.start(*words) as process:
            out, err = process.communicate(timeout=PATIENCE)
        assert not any(word in err for word in NEVER), err
        assert self.keys.secret not in out + err or self.keys.secret == self.keys.access, "the secret is shown"
        if process.returncode:
            raise Cannot(process.returncode, err)
        self.notes["said"] = err
        return out

    def states(self, *words: str) -> set[str]:
        """What became of the files, from the receipt."""
        return {json.loads(line)["state"] for line in self.run(*words, "--json").splitlines()}

    def refused(self, *words: str) -> bool:
        try:
            self.run(*words)
        except Cannot:
            return True
        return False

    def kill(self, words: list[str], when: Callable[[], bool]) -> None:
        """Start a command, and kill it as soon as `when` holds."""
        with self.start(*words) as process:
            while not when() and process.poll() is None:
                time.sleep(0.002)
            process.kill()
            _, err = process.communicate()
        if process.returncode > 0:
            raise Cannot(process.returncode, err)
        assert process.returncode < 0, "through before it could be killed"

    def write(self, name: str, content: bytes) -> Path:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (1_600_000_000, 1_600_000_000))  # an object of this second could seem older than its file
        return path

    def stored(self, key: str, bucket: str = "") -> bytes | None:
        """What boto3 reads there."""
        try:
            return self.boto3.get_object(Bucket=bucket or self.bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise

    def keys_below(self, prefix: str) -> list[str]:
        """The keys that boto3 lists."""
        pages = self.boto3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def sha(self, key: str) -> str:
        """The SHA-256 of a large object, as boto3 reads it."""
        digest = hashlib.sha256()
        for block in self.boto3.get_object(Bucket=self.bucket, Key=key)["Body"].iter_chunks(1 << 20):
            digest.update(block)
        return digest.hexdigest()


@dataclass(frozen=True)
class Job:
    """A job done by the command, and the same one by boto3.

    boto3: is asked only where the command fails. A job that boto3 cannot do either is not one of this server.
    short: done in every run of the full suite; others wait for --soak.
    """

    name: str
    ours: Callable[[Visit], object]
    boto3: Callable[[Visit], object]
    short: bool = False

    def outcome(self, at: Visit) -> str:
        """`ok`; `server cannot: boto3's error`; `cannot: words (exit code)`; or `trap: what is wrong`."""
        try:
            self.ours(at)
        except Cannot as cannot:
            ours = f"cannot: {self._line(at, str(cannot))} ({cannot.code})"
        except AssertionError as wrong:
            word = "cannot" if "\ncta-data-direct: " in str(wrong) else "trap"  # a walk expected another exit code
            ours = f"{word}: {self._line(at, str(wrong))}"
        except HTTPError as error:  # of a link
            ours = f"trap: the link gets {error.code}"
        except ClientError as error:  # where a job prepares something, or looks, by boto3
            return f"server cannot: boto3 gets {_code(error)}"
        except ResponseParserError:
            return f"server cannot: {_NO_XML}"
        else:
            return "ok"
        try:
            self.boto3(at)
        except ClientError as error:
            theirs = f"boto3 gets {_code(error)}"
        except AssertionError as wrong:
            theirs = f"by boto3 too, {wrong}"
        except HTTPError as error:
            theirs = f"the link of boto3 gets {error.code}"
        except ResponseParserError:
            theirs = _NO_XML
        else:
            return ours
        untold = "; the command reports a success" if ours.startswith("trap") else ""
        return f"server cannot: {theirs}{untold}"

    def _line(self, at: Visit, said: str) -> str:
        """The sentence that matters, without what changes from run to run."""
        told = [line for line in said.splitlines() if line.startswith(("failed ", "cta-data-direct: "))]
        line = (told or said.strip().splitlines() or ["wrong"])[0]
        line = line.removeprefix("failed ").removeprefix("cta-data-direct: ").partition(" (")[0]
        line = re.sub(
            r"https?://[^ ]+", "the server", line.replace(str(at.home.parent), "").replace(at.bucket, "bucket")
        )
        return re.sub(r"\b[a-z]+-[0-9a-f]{8,}|\b[0-9a-f-]{32,}|\b[0-9A-F]{16,}", "X", line).replace("|", "\\|")[:160]


def _code(error: ClientError) -> str:
    answer = error.response
    code, status = answer.get("Error", {}).get("Code", ""), str(answer["ResponseMetadata"]["HTTPStatusCode"])
    return f"{status} {'' if code in (status, 'Unknown') else code}".strip() + f" for {error.operation_name}"
