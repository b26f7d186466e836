"""moto's S3 server, in the process of the tests: everything it stores is shared by the tests of one worker."""

from __future__ import annotations

import functools
import io
import json
import logging
import threading
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

REGION = "eu-central-1"
PART = 64 << 10
"""Bytes that a part has to have here; S3 wants 5 MiB."""

ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@dataclass(frozen=True)
class Key:
    """An access key; `token` is set for a temporary one."""

    id: str
    secret: str
    token: str | None = None


@dataclass(frozen=True)
class MotoS3:
    """A running server, and the key of a user who may do everything."""

    url: str
    key: Key
    region: str = REGION

    @functools.cache  # noqa: B019  (there is one server in a worker, and making a client takes a tenth of a second)
    def client(self, key: Key | None = None, service: str = "s3", region: str = REGION) -> Any:
        """boto3's client, to prepare and to look; `key` instead of the one who may do everything."""
        from botocore.config import Config

        key = key or self.key
        return _boto3().client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=key.id,
            aws_secret_access_key=key.secret,
            aws_session_token=key.token,
            config=Config(s3={"addressing_style": "path"}, signature_version="s3v4" if service == "s3" else None),
        )

    def bucket(self) -> str:
        """A new bucket of a name nobody else has."""
        name = f"bucket-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": self.region})
        return name

    def user(self, policy: dict[str, Any] = ALL) -> Key:
        """The key of a new user with this policy; it counts while signatures are `checked`."""
        iam, name = self.client(service="iam"), f"user-{uuid.uuid4().hex[:8]}"
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return Key(made["AccessKeyId"], made["SecretAccessKey"])

    def session(self, policy: dict[str, Any] = ALL) -> Key:
        """Temporary credentials with this policy (STS AssumeRole)."""
        iam, name = self.client(service="iam"), f"role-{uuid.uuid4().hex[:8]}"
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(ALL))["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
        made = self.client(service="sts").assume_role(RoleArn=role, RoleSessionName="tests")["Credentials"]
        return Key(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])

    @contextmanager
    def checked(self) -> Iterator[None]:
        """Signatures and policies are checked within; then nobody is let in without a header `Authorization`."""
        before = self._check_after("0")
        try:
            yield
        finally:
            self._check_after(before)

    def _check_after(self, requests: str) -> str:
        headers = {"Content-Type": "text/plain"}
        asked = urllib.request.Request(f"{self.url}/moto-api/reset-auth", requests.encode(), headers, method="POST")
        with urllib.request.urlopen(asked) as answer:
            return str(json.load(answer)["PREVIOUS_INITIAL_NO_AUTH_ACTION_COUNT"])


@functools.cache
def _boto3() -> Any:
    """One session: it reads what it knows of a service once."""
    import boto3

    return boto3.Session()


class _OneAtATime:
    """An application that answers one request at a time, each with its body read before it begins.

    moto keeps buckets and keys in plain dictionaries: on a busy machine, two requests at once now and then met one that
    "changed size during iteration", which is a 500.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        size = None if environ.get("wsgi.input_terminated") else int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(size)
        with self._lock:
            answer = self._app({**environ, "wsgi.input": io.BytesIO(body)}, start_response)
            try:
                return list(answer)
            finally:
                getattr(answer, "close", lambda: None)()


@contextmanager
def moto_server() -> Iterator[MotoS3]:
    """The server on a port of its own; it checks no signatures until it is told to."""
    from moto.s3 import models
    from moto.server import ThreadedMotoServer

    models.S3_UPLOAD_PART_MIN_SIZE = PART
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    server._server.app = _OneAtATime(server._server.app)
    try:
        host, port = server.get_host_and_port()
        anybody = MotoS3(f"http://{host}:{port}", Key("A" * 20, "nobody looks at it"))
        yield MotoS3(anybody.url, anybody.user())
    finally:
        server.stop()
