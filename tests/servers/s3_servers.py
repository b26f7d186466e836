"""S3 servers that people run besides Ceph: MinIO, versitygw, S3Proxy, s3rver and `rclone serve s3`.

`.ci/s3-servers` installs them, and `npm ci` installs s3rver. Each keeps its objects in a folder of its own.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers.s3_client import Keys, new_keys, s3_client
from servers.shared import NotStarted, Start, State, free_port, listens

HERE = Path(__file__).parent
INSTALLED = HERE / "s3-servers"
S3RVER = HERE / "node_modules" / "s3rver" / "bin" / "s3rver.js"
MINIO_ADMIN = """
import json, sys
from minio.credentials import StaticProvider
from minio.minioadmin import MinioAdmin
host, access, secret, *calls = json.load(sys.stdin)
admin = MinioAdmin(endpoint=host, credentials=StaticProvider(access, secret), secure=False)
for name, arguments in calls:
    getattr(admin, name)(**arguments)
"""


@dataclass(frozen=True)
class S3Server:
    """A server with one pair of keys, up and running. Tests share it: each makes buckets of its own names.

    It has the methods of `Rgw` that the walks call. Where the server has no users, all users are the one of `keys`.

    http:  its origin, by address; none of these speaks TLS here.
    keys:  those of the user who may do everything.
    site:  the origin of the websites, where the server has any.
    """

    name: str
    http: str
    keys: Keys
    ca: Path
    site: str = ""

    @property
    def counts_parts(self) -> bool:
        """Whether the tag of a multipart upload is made of the MD5 of its parts."""
        return self.name in ("moto", "versitygw")

    @property
    def https(self) -> str:
        return self.http

    def new_user(self, *, name: str = "") -> Keys:
        """A user who owns nothing yet, or the only one."""
        return self.keys

    def read_only(self, name: str, bucket: str) -> Keys:
        """Keys that may only read in this bucket. boto3 says what is missing where there are none."""
        keys = self.client(self.keys, service="iam").create_access_key(UserName=name)["AccessKey"]
        return Keys(keys["AccessKeyId"], keys["SecretAccessKey"])

    def session(self, keys: Keys, name: str, policy: dict) -> Keys:
        """Temporary keys with this policy."""
        sts = self.client(keys, service="sts")
        asked = {"RoleArn": "arn:aws:iam::123456789012:role/any", "RoleSessionName": "session"}
        answer = sts.assume_role(**asked, DurationSeconds=900, Policy=json.dumps(policy))["Credentials"]
        return Keys(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])

    def website(self, bucket: str) -> str:
        """Where the website of a bucket would be."""
        return (self.site or self.http).replace("127.0.0.1", f"{bucket}.website.localhost")

    def client(self, keys: Keys | None, *, service: str = "s3", **more: Any) -> Any:
        """boto3's client."""
        return s3_client(self.http, keys, service=service, **more)


@dataclass(frozen=True)
class Minio(S3Server):
    """MinIO, which encrypts each object with a key of its own: no tag of it is an MD5."""

    def new_user(self, *, name: str = "") -> Keys:
        keys = new_keys()
        self._admin(("user_add", {"access_key": keys.access, "secret_key": keys.secret}),
                    ("policy_set", {"policy_name": "readwrite", "user": keys.access}))  # fmt: skip
        return keys

    def read_only(self, name: str, bucket: str) -> Keys:
        keys, policy = new_keys(), f"read-{uuid.uuid4().hex[:10]}"
        resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
        allowed = {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": resources}
        document = {"Version": "2012-10-17", "Statement": [allowed]}
        self._admin(("user_add", {"access_key": keys.access, "secret_key": keys.secret}),
                    ("policy_add", {"policy_name": policy, "policy": document}),
                    ("policy_set", {"policy_name": policy, "user": keys.access}))  # fmt: skip
        return keys

    def allow(self, policy: str, bucket: str) -> None:
        """Make a policy of this name, which allows everything in one bucket."""
        allowed = {
            "Effect": "Allow",
            "Action": ["s3:*"],
            "Resource": [f"arn:aws:s3:::{bucket}{end}" for end in ("", "/*")],
        }
        document = {"Version": "2012-10-17", "Statement": [allowed]}
        self._admin(("policy_add", {"policy_name": policy, "policy": document}))

    def _admin(self, *calls: tuple[str, dict]) -> None:
        """Call methods of MinIO's own client, which has a process of its own: its libraries are not ours."""
        told = json.dumps([self.http.removeprefix("http://"), self.keys.access, self.keys.secret, *calls])
        libraries = {**os.environ, "PYTHONPATH": f"{INSTALLED / 'minio-client'}:{os.environ.get('PYTHONPATH', '')}"}
        command = [sys.executable, "-c", MINIO_ADMIN]
        done = subprocess.run(command, input=told, env=libraries, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr


@dataclass(frozen=True)
class VersityGateway(S3Server):
    """versitygw over a folder of this machine's file system. A policy of a bucket also binds its owner."""

    owners: dict[str, Keys] = field(default_factory=dict)

    def new_user(self, *, name: str = "") -> Keys:
        self.owners[name] = self._user("userplus")
        return self.owners[name]

    def read_only(self, name: str, bucket: str) -> Keys:
        keys = self._user("user")
        resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
        may = {keys.access: ["s3:ListBucket", "s3:GetObject"]}
        may |= {self.owners[name].access: ["s3:*"]} if name in self.owners else {}
        allowed = {"Effect": "Allow", "Resource": resources}
        statement = [{**allowed, "Principal": {"AWS": [who]}, "Action": actions} for who, actions in may.items()]
        policy = {"Version": "2012-10-17", "Statement": statement}
        self.client(self.keys).put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
        return keys

    def _user(self, role: str) -> Keys:
        keys = new_keys()
        root = ("--access", self.keys.access, "--secret", self.keys.secret, "--endpoint-url", self.http)
        own = ("--access", keys.access, "--secret", keys.secret, "--role", role)
        command = [INSTALLED / "versitygw" / "versitygw", "admin", *root, "create-user", *own]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return keys


KINDS: dict[str, type[S3Server]] = {"minio": Minio, "versitygw": VersityGateway}


def s3_server(name: str, state: State, ca: Path) -> S3Server:
    """The running server of this name."""
    return KINDS.get(name, S3Server)(
        name, state["url"], Keys(state["access"], state["secret"]), ca, state.get("site", "")
    )


def start_minio(folder: Path, port: int, keys: Keys, state: State) -> list[str | Path]:
    """MinIO, which encrypts everything by itself, and asks nobody for news."""
    environment = {
        "MINIO_ROOT_USER": keys.access,
        "MINIO_ROOT_PASSWORD": keys.secret,
        "MINIO_KMS_SECRET_KEY": f"tests:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "MINIO_KMS_AUTO_ENCRYPTION": "on",
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
        "HOME": folder,
    }
    server = [installed("minio", "minio"), "server", "--quiet", "--address", f"127.0.0.1:{port}", folder / "data"]
    return ["env", *(f"{name}={value}" for name, value in environment.items()), *server]


def start_minio_of_logins(start: Start, issuer: str, ca: Path) -> State:
    """MinIO, which gives keys for the tokens of an issuer's client `store`. A user has the policy of the same name."""
    keys, port = new_keys(), free_port()
    trusted = start.folder / ".minio" / "certs" / "CAs"
    for folder in (start.folder / "data", trusted):
        folder.mkdir(parents=True)
    (trusted / "ca.pem").write_bytes(ca.read_bytes())
    state = {"url": f"http://127.0.0.1:{port}", "access": keys.access, "secret": keys.secret}
    login = {
        "CONFIG_URL": f"{issuer}/.well-known/openid-configuration",
        "CLIENT_ID": "store",
        "CLAIM_NAME": "preferred_username",
    }
    words = [f"MINIO_IDENTITY_OPENID_{name}={value}" for name, value in login.items()]
    start.launch("env", *words, *start_minio(start.folder, port, keys, state), answers=lambda: listens(port))
    return state


def start_versitygw(folder: Path, port: int, keys: Keys, state: State) -> list[str | Path]:
    """versitygw, with users and old versions in folders beside the objects."""
    for name in ("users", "versions"):
        (folder / name).mkdir()
    site = free_port()
    state["site"] = f"http://127.0.0.1:{site}"
    pair = ["--access", keys.access, "--secret", keys.secret]
    own = ["--quiet", "--port", f"127.0.0.1:{port}", "--iam-dir", folder / "users", "--iam-cache-disable"]
    own += ["--website", f"127.0.0.1:{site}", "--website-domain", "website.localhost"]
    data = ["posix", "--versioning-dir", folder / "versions", folder / "data"]
    return [installed("versitygw", "versitygw"), *own, *pair, *data]


def start_s3proxy(folder: Path, port: int, keys: Keys, state: State) -> list[str | Path]:
    """S3Proxy over a folder; as shipped it refuses a header that it does not know."""
    settings = {
        "s3proxy.endpoint": f"http://127.0.0.1:{port}",
        "s3proxy.authorization": "aws-v4",
        "s3proxy.identity": keys.access,
        "s3proxy.credential": keys.secret,
        "jclouds.provider": "filesystem-nio2",
        "jclouds.identity": "unread",
        "jclouds.credential": "unread",
        "jclouds.filesystem.basedir": folder / "data",
    }
    written = folder / "s3proxy.conf"
    written.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    jar = installed("s3proxy", "s3proxy-*.jar")
    return ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-jar", jar, "--properties", written]


def start_s3rver(folder: Path, port: int, keys: Keys, state: State) -> list[str | Path]:
    """s3rver, whose only keys are fixed. It encrypts the place in a listing by DES, which OpenSSL 3 keeps apart."""
    if not S3RVER.exists():
        raise NotStarted("s3rver needs: npm ci --prefix tests/servers")
    own = ["--silent", "-a", "127.0.0.1", "-p", str(port), "-d", folder / "data", "--no-vhost-buckets"]
    return ["node", "--openssl-legacy-provider", S3RVER, *own]


def start_rclone_s3(folder: Path, port: int, keys: Keys, state: State) -> list[str | Path]:
    """`rclone serve s3` over a folder."""
    quiet = ["env", f"RCLONE_CONFIG={os.devnull}", f"HOME={folder}", f"XDG_CACHE_HOME={folder}/cache"]
    own = ["--addr", f"127.0.0.1:{port}", "--auth-key", f"{keys.access},{keys.secret}"]
    return [*quiet, installed("rclone", "bin/rclone"), "serve", "s3", *own, folder / "data"]


STARTS: dict[str, Callable[[Path, int, Keys, State], list[str | Path]]] = {
    "minio": start_minio,
    "versitygw": start_versitygw,
    "s3proxy": start_s3proxy,
    "s3rver": start_s3rver,
    "rclone_s3": start_rclone_s3,
}


def start_s3_server(start: Start, name: str) -> State:
    """Bring one of these up; returns `url`, `access` and `secret`. Raises NotStarted where it is missing."""
    keys, port = Keys("S3RVER", "S3RVER") if name == "s3rver" else new_keys(), free_port()
    (start.folder / "data").mkdir()
    state = {"url": f"http://127.0.0.1:{port}", "access": keys.access, "secret": keys.secret}
    start.launch(*STARTS[name](start.folder, port, keys, state), answers=lambda: listens(port))
    return state


def installed(name: str, pattern: str) -> Path:
    """A file of what `.ci/s3-servers` has brought."""
    found = sorted((INSTALLED / name).glob(pattern))
    if not found:
        raise NotStarted(f"{name} needs: .ci/s3-servers")
    return found[0]
