"""Each command with `--json` has a JSON Schema of its name, and writes what the schema says.

The fixtures `cli` and `run` compare also the output of every other test of this folder.
"""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys

import pytest
from cli import json_schemas
from jsonschema import Draft202012Validator

from ctadata.cli.command_table import DIRECT_COMMANDS, PLATFORM_COMMANDS
from ctadata.sandbox import Sandbox, faults

TABLE = {
    name: entry
    for sections in (DIRECT_COMMANDS, PLATFORM_COMMANDS)
    for section in sections.values()
    for name, entry in section.items()
}
RUNS = {
    "agent-status": [""],
    "list": ["-r lst/shown"],
    "stat": ["lst/shown/a lst/shown"],
    "du": ["lst/shown"],
    "find": ["lst/shown --name *"],
    "checksum": ["lst/shown/a"],
    "get-home": [""],
    "get": ["-n lst/shown/a x/", "lst/shown/a lst/shown/tape x/ --receipt r"],
    "verify": ["--remote r"],
    "receipts summary": ["r"],
    "put": ["a home:schemas/", "a home:schemas/"],
    "sync": ["-n :lst/shown down", ":lst/shown/d x", "--delete --yes :lst/shown/d x"],
    "share": ["lst/shown/a"],
    "token inspect": ["", "link", "words"],
    "locality": ["-r lst/shown"],
    "stage": ["lst/shown/tape"],
    "stage-status": ["{request}"],
    "quota": [""],
    "qos": ["lst/shown/a"],
    "label": ["lst/shown/a"],
    "xattr": ["lst/shown/a"],
    "config": [""],
    "doctor": ["--write"],
    "cache list": [""],
    "runs": [""],
    "runs list": [""],
    "runs show": ["{id}"],
}
"""Arguments of the commands that the sandbox answers, in an order in which one needs another's files."""
S3_RUNS = {
    "list": ["s3://{bucket}/", "--versions -r s3://{bucket}/"],
    "stat": ["s3://{bucket}/a s3://{bucket}/"],
    "put": ["a s3://{bucket}/", "a s3://{bucket}/"],
    "get": ["s3://{bucket}/a got"],
    "copy": ["-n s3://{bucket}/a s3://{bucket}/c", "s3://{bucket}/a s3://{bucket}/c"],
    "alias": ["s3://{bucket}/a s3://{bucket}/b"],
    "share": ["s3://{bucket}/a"],
    "credentials show": [""],
    "buckets": ["", "--du"],
    "bucket-info": ["s3://{bucket}"],
    "multipart list": ["s3://{bucket}/"],
    "doctor": ["s3://{bucket}"],
}
PLATFORM_RUNS = {
    "upload-personal-certificate": "user.pem lst",
    "upload-shared-certificate": "user.pem",
    "certificate-status": "",
}
CALL = "import sys; sys.argv[0] = 'cta-data'; from ctadata.__main__ import main; main()"


@pytest.fixture(scope="module")
def box():
    """A site with files on disk and on tape, and a QoS engine."""
    with Sandbox(approve=True, qos_engine=True) as box:
        for name in ("a", "d/b", "tape"):
            box.files.put(f"/lst/shown/{name}", name.encode())
        box.tape.archive("/lst/shown/tape")
        yield box


@pytest.fixture
def at_s3(run, moto_s3, tmp_path, monkeypatch):
    settings = tmp_path / "s3.toml"
    place = f'kind = "s3"\nendpoint = "{moto_s3.url}"\nregion = "{moto_s3.region}"\n'
    settings.write_text(f'default = "store"\n[profiles.store]\n{place}')
    monkeypatch.setenv("CTADATA_CONFIG", str(settings))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto_s3.key.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto_s3.key.secret)
    monkeypatch.chdir(tmp_path)
    return run


def test_each_command_with_json_has_a_schema_and_is_run_here() -> None:
    functions = {
        name: getattr(importlib.import_module(f"ctadata.cli.commands.{entry.module}"), entry.function)
        for name, entry in TABLE.items()
    }
    commands = {name for name, function in functions.items() if "json" in inspect.signature(function).parameters}
    assert {name.replace(" ", "-") for name in commands} == json_schemas.names() - json_schemas.SHARED
    assert commands == RUNS.keys() | S3_RUNS.keys() | PLATFORM_RUNS.keys()


@pytest.mark.parametrize("name", sorted(json_schemas.names()))
def test_a_schema_is_one_and_allows_no_other_keys(name: str) -> None:
    schema = json_schemas.schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["title"]
    assert schema["description"]
    for part in [schema, *schema.get("oneOf", ())]:
        if "properties" in part:
            assert part["additionalProperties"] is False
            assert all("description" in each for key, each in part["properties"].items() if key != "kind")


def test_the_sandbox(at_box, box) -> None:
    (at_box.cwd / "a").write_bytes(b"a")
    link = json.loads(at_box("share", "--json", "lst/shown/a").out)
    (at_box.cwd / "link").write_text(link["macaroon"])
    (at_box.cwd / "words").write_text("opaque")
    at_box("local", "lst/shown/a", check=0)
    box.faults.add(
        "frontend",
        "GET",
        "/api/v1/quota/user",
        faults.Status(200, "OK", b'[{"id": 7, "type": "USER", "replica": 10, "replicaLimit": 100, "custodial": 0}]'),
        times=1,
    )
    known = {}
    for command, runs in RUNS.items():
        for arguments in runs:
            words = [word.format(**known) for word in arguments.split()]
            ended = at_box(*command.split(), "--json", *words)  # the fixture compares
            assert ended.out, f"{command} {arguments}: {ended.err}"
            known |= json.loads(ended.out.splitlines()[-1])
    for line in (at_box.cwd / "r").read_text().splitlines():
        json_schemas.check_line("transfer", line)


def test_an_s3_store(at_s3, moto_s3, tmp_path) -> None:
    bucket, client = moto_s3.bucket(), moto_s3.client()
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket=bucket, Key="d/e", Body=b"e", Metadata={"run": "7"}, Tagging="state=raw")
    client.put_object(Bucket=bucket, Key="a", Body=b"old", Metadata={"run": "7"}, Tagging="state=raw")
    client.delete_object(Bucket=bucket, Key="d/e")
    client.create_multipart_upload(Bucket=bucket, Key="parts")
    client.put_bucket_lifecycle_configuration(
        Bucket=bucket,
        LifecycleConfiguration={
            "Rules": [{"ID": "1", "Status": "Enabled", "Filter": {"Prefix": "x"}, "Expiration": {"Days": 1}}]
        },
    )
    (tmp_path / "a").write_bytes(b"new")
    for command, runs in S3_RUNS.items():
        for arguments in runs:
            ended = at_s3(*command.split(), "--json", *arguments.format(bucket=bucket).split(), check=None)
            assert ended.out, f"{command} {arguments}: {ended.err}"


@pytest.mark.parametrize("command", PLATFORM_RUNS)
def test_the_platform(on_platform, command: str, tmp_path, monkeypatch) -> None:
    (tmp_path / "here" / "user.pem").write_bytes(on_platform.papers.certificate(days=2))
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", on_platform.hub.issue("admin", admin=True))
    line = [sys.executable, "-c", CALL, command, "--json", *PLATFORM_RUNS[command].split()]
    done = subprocess.run(line, check=True, capture_output=True, text=True, timeout=60)
    json_schemas.check_line(command, done.stdout)


def test_what_is_no_such_line_is_refused() -> None:
    for line in ('{"schema": 1, "path": "a"}', '{"schema": 1, "path": "a", "locality": null, "size": 1}'):
        with pytest.raises(AssertionError, match="not as"):
            json_schemas.check_output(["locality", "--json", "a"], line)
