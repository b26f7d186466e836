"""Ceph's object gateway, the S3 server of many institutes: plain and over TLS, with users, quotas, roles, websites."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from servers.authority import Authority
from servers.s3_client import Keys, new_keys, s3_client
from servers.shared import NotStarted, Start, State, free_port

HERE = Path(__file__).parent
INSTALLED = HERE / "ceph-server"


@dataclass(frozen=True)
class Rgw:
    """The gateway, up and running. Tests share it: each makes users of its own, or buckets of its own names.

    http, https: its origins, by address (`https://127.0.0.1:PORT`).
    ca:          PEM file of what signed its certificate.
    folder:      its settings.
    """

    http: str
    https: str
    ca: Path
    folder: Path
    counts_parts: ClassVar[bool] = True
    """Whether the tag of a multipart upload is made of the MD5 of its parts."""

    def named(self, url: str, host: str = "s3.localhost") -> str:
        """An origin by name, as buckets in the host need it: `s3.localhost`, or `website.localhost`."""
        return url.replace("127.0.0.1", host)

    def website(self, bucket: str) -> str:
        """Where the website of a bucket is."""
        return self.named(self.http, f"{bucket}.website.localhost")

    def admin(self, *arguments: str) -> Any:
        """What radosgw-admin says, as JSON."""
        command = [program("radosgw-admin"), *arguments, "--conf", self.folder / "ceph.conf", "--format=json"]
        done = subprocess.run(command, env=_environment(), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip().startswith(("{", "[")) else done.stdout

    def new_user(self, *, name: str = "", max_size: int | None = None) -> Keys:
        """A user who owns nothing yet, with a quota of `max_size` bytes for each bucket."""
        name, keys = name or f"user-{uuid.uuid4().hex[:10]}", new_keys()
        pair = (f"--access-key={keys.access}", f"--secret={keys.secret}")
        self.admin("user", "create", f"--uid={name}", f"--display-name={name}", *pair)
        if max_size is not None:
            quota = (f"--uid={name}", "--quota-scope=bucket")
            self.admin("quota", "set", *quota, f"--max-size={max_size}")
            self.admin("quota", "enable", *quota)
        return keys

    def read_only(self, name: str, bucket: str = "") -> Keys:
        """Keys of the user `name` that may only read, in any bucket."""
        keys = new_keys()
        reader = (f"--uid={name}", f"--subuser={name}:reader")
        self.admin("subuser", "create", *reader, "--access=read")
        pair = (f"--access-key={keys.access}", f"--secret={keys.secret}")
        self.admin("key", "create", *reader, "--key-type=s3", *pair)
        return keys

    def session(self, keys: Keys, name: str, policy: dict, *, seconds: int = 900) -> Keys:
        """Temporary keys of a role that the user `name` takes on with `keys`; the policy is the role's."""
        arn = self.role(name, policy)
        sts = self.client(keys, service="sts")
        answer = sts.assume_role(RoleArn=arn, RoleSessionName="session", DurationSeconds=seconds)["Credentials"]
        return Keys(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])

    def role(self, name: str, policy: dict) -> str:
        """The ARN of a new role of this policy, which the user `name` may take on."""
        role = f"role-{uuid.uuid4().hex[:10]}"
        trust = _policy("sts:AssumeRole", Principal={"AWS": [f"arn:aws:iam:::user/{name}"]})
        arn = self.admin("role", "create", f"--role-name={role}", f"--assume-role-policy-doc={trust}")["Arn"]
        document = json.dumps(policy, separators=(",", ":"))
        self.admin("role-policy", "put", f"--role-name={role}", "--policy-name=p", f"--policy-doc={document}")
        return arn

    def client(self, keys: Keys | None, *, service: str = "s3", url: str = "") -> Any:
        """boto3's client: what somebody else does there; without keys anonymous."""
        return s3_client(url or self.http, keys, service=service, ca=self.ca)


def start_rgw(start: Start, made: Authority) -> State:
    """Bring Ceph up; returns `http`, `https` and `folder`. Raises NotStarted where it is missing."""
    if not program("radosgw").exists():
        raise NotStarted("Ceph's gateway needs: .ci/ceph")
    http, https = free_port(), free_port()
    settings = {
        "D": start.folder,
        "LIB": _libraries(),
        "FSID": uuid.uuid4(),
        "MON": free_port(),
        "HTTP": http,
        "HTTPS": https,
        "CERT": made.server,
    }
    text = (HERE / "ceph.conf").read_text()
    for name, value in settings.items():
        text = text.replace(f"@{name}@", str(value))
    (start.folder / "ceph.conf").write_text(text)
    environment = [f"{name}={value}" for name, value in _environment().items()]
    supervisor = [sys.executable, "-I", HERE / "rgw_cluster.py", program("ceph-mon").parent, start.folder, "{ready}"]
    start.launch("env", "-i", *environment, *supervisor)
    return {
        "http": f"http://127.0.0.1:{http}",
        "https": f"https://127.0.0.1:{https}",
        "folder": str(start.folder),
    }


def program(name: str) -> Path:
    """One of Ceph's programs."""
    return INSTALLED.resolve() / "usr" / "bin" / name


def statement(actions: str | list[str], resources: str | list[str], **more: Any) -> dict:
    """A policy that allows this and nothing else."""
    return json.loads(_policy(actions, Resource=resources, **more))


def _policy(actions: str | list[str], **more: Any) -> str:
    """As JSON without spaces, which the gateway does not decode in a request."""
    allowed = {"Effect": "Allow", "Action": actions, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]}, separators=(",", ":"))


def _libraries() -> Path:
    """Where Debian's packages keep the libraries of this kind of machine."""
    return next(iter((INSTALLED.resolve() / "usr" / "lib").glob("*-linux-*")))


def _environment() -> dict[str, str]:
    own = _libraries()
    folders = (own, own / "ceph", INSTALLED.resolve() / "lib" / own.name)
    return {"PATH": os.environ.get("PATH", ""), "LD_LIBRARY_PATH": ":".join(map(str, folders))}
