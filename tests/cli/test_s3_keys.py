"""Access keys that come by themselves: for a login, for a role, from a program, from ~/.aws."""

from __future__ import annotations

import json
import sys
from urllib.parse import parse_qs

import pytest
from servers.agent_token import give_token
from servers.moto import ALL
from servers.rgw import statement
from servers.s3_stub import s3_stub

from ctadata.tokens.profile_files import ProfileFiles

ROLE = "arn:aws:iam::123456789012:role/reader"
ANSWER = """<R xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Credentials><AccessKeyId>ASIA{0}</AccessKeyId>
<SecretAccessKey>s3cret</SecretAccessKey><SessionToken>t0ken</SessionToken><Expiration>{1}</Expiration></Credentials></R>"""


@pytest.fixture
def stub(moto_s3):
    with s3_stub(moto_s3.url) as stub:
        yield stub


@pytest.fixture
def bucket(moto_s3) -> str:
    name = moto_s3.bucket()
    moto_s3.client().put_object(Bucket=name, Key="a", Body=b"x")
    return name


@pytest.fixture
def at_s3(run, moto_s3, stub, tmp_path, monkeypatch):
    """The command, with a profile st whose further settings a test writes by `at_s3.settings`."""
    place = f'[profiles.st]\nkind = "s3"\nendpoint = "{stub.url}"\nregion = "{moto_s3.region}"\n'

    def settings(text: str) -> None:
        (tmp_path / "s3.toml").write_text(place + text)

    monkeypatch.setenv("CTADATA_CONFIG", str(tmp_path / "s3.toml"))
    monkeypatch.setenv("CTADATA_PROFILE", "st")
    settings("")
    run.settings = settings
    return run


def login(box, settings) -> str:
    """Make the sandbox the issuer of the profile, and return the token that its agent has written."""
    settings(f'issuer = "{box.issuer}"\nclient_id = "{box.client_id}"\nrole_arn = "{ROLE}"\n')
    token = box.token(lifetime=600)
    give_token("st", token)
    return token


def test_a_login_brings_keys(at_s3, box, stub, bucket):
    token = login(box, at_s3.settings)
    assert at_s3("list", f"st:{bucket}", check=0).out == f"{bucket}/a\n"
    (asked,) = (each for each in stub.requests("POST") if b"AssumeRole" in each.body)
    fields = {name: value[0] for name, value in parse_qs(asked.body.decode()).items()}
    assert (fields["Action"], fields["WebIdentityToken"]) == ("AssumeRoleWithWebIdentity", token)
    assert fields["RoleArn"] == ROLE
    assert "authorization" not in asked.headers
    listing = next(each for each in stub.requests("GET") if "list-type" in each.target)
    assert "Credential=ASIA" in listing.headers["authorization"]
    assert listing.headers["x-amz-security-token"]
    assert token not in str([each for each in stub.asked if each is not asked])
    assert "from the login of the profile" in at_s3("credentials", "show", check=0).out


def test_without_a_login_the_error_says_how_to_log_in(at_s3, box, stub, bucket):
    login(box, at_s3.settings)
    ProfileFiles.of("st").token.unlink()
    assert "start-agent -P st" in at_s3("list", f"st:{bucket}", check=4).err
    assert not stub.asked


@pytest.mark.parametrize(
    ("status", "code", "exit_code", "words"),
    [
        (403, "AccessDenied", 2, "role_arn"),
        (400, "ExpiredTokenException", 4, "log in again"),
        (400, "InvalidIdentityToken", 4, "log in again"),
        (405, "MethodNotAllowed", 2, "use an access key"),
    ],
)
def test_a_refusal_says_what_to_do(at_s3, box, stub, bucket, status, code, exit_code, words):
    token = login(box, at_s3.settings)
    stub.answer("POST", "/", status, code)
    ended = at_s3("list", f"st:{bucket}", check=exit_code)
    assert words in ended.err
    assert token not in ended.err


def test_a_key_assumes_a_role_and_the_request_is_signed(at_s3, moto_s3, stub, bucket, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto_s3.key.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto_s3.key.secret)
    client = moto_s3.client(service="iam")
    trust = json.dumps(ALL)
    role = client.create_role(RoleName=f"role-{bucket}", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}]}
    client.put_role_policy(RoleName=f"role-{bucket}", PolicyName="own", PolicyDocument=json.dumps(policy))
    at_s3.settings(f'role_arn = "{role}"\n')
    with moto_s3.checked():  # moto checks the signature, and the policy of the role
        assert at_s3("list", f"st:{bucket}", check=0).out == f"{bucket}/a\n"
        assert at_s3("get", f"st:{bucket}/a", "-", check=4)
    assert "reader" not in at_s3("credentials", "show", check=0).out
    assert stub.requests("POST", "/")[0].headers["accept"] == "application/xml"


def test_a_key_assumes_a_role_of_ceph(at_s3, rgw, monkeypatch):
    keys, bucket = rgw.new_user(name="owner"), "assumed"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret)
    monkeypatch.setenv("CTADATA_ENDPOINT", rgw.http)
    monkeypatch.setenv("CTADATA_REGION", "us-east-1")
    rgw.client(keys).create_bucket(Bucket=bucket)
    rgw.client(keys).put_object(Bucket=bucket, Key="a", Body=b"x")
    role = rgw.role("owner", statement("s3:ListBucket", f"arn:aws:s3:::{bucket}"))
    at_s3.settings(f'role_arn = "{role}"\n')
    assert at_s3("list", f"st:{bucket}", check=0).out == f"{bucket}/a\n"
    at_s3("get", f"st:{bucket}/a", "-", check=4)


def test_keys_are_renewed_before_they_end(box, moto_s3, stub, at_s3, monkeypatch):
    from ctadata.config.resolve import resolve_profile
    from ctadata.tokens.access_keys import AccessKeys

    login(box, at_s3.settings)
    now = [1_000_000_000.0]
    for number in (1, 2):
        body = ANSWER.format(number, f"2001-09-09T0{number + 1}:46:40Z").encode()  # an hour, and two, from now
        stub.answer("POST", "/", 200, body=body, times=1)
    stub.answer("POST", "/", 503, "ServiceUnavailable")
    tokens = iter(["one", "two", "three", "four"])
    keys = AccessKeys(resolve_profile().profile, env={}, now=lambda: now[0], login=lambda: next(tokens))
    assert keys.current("r").id == keys.current("r").id == "ASIA1"
    now[0] += 3600 - 299
    assert keys.current("r").id == keys.current("r").id == "ASIA2"
    now[0] += 3600  # the service is busy, and the old key is still valid
    assert keys.current("r").id == "ASIA2"
    assert [parse_qs(asked.body)[b"WebIdentityToken"] for asked in stub.asked] == [[b"one"], [b"two"], [b"three"]]


def test_a_program_brings_the_key(at_s3, moto_s3, stub, bucket, tmp_path):
    key = {"Version": 1, "AccessKeyId": moto_s3.key.id, "SecretAccessKey": moto_s3.key.secret}
    (tmp_path / "key.json").write_text(json.dumps(key))
    program = f"{sys.executable} -c \\\"print(open('{tmp_path / 'key.json'}').read())\\\""
    at_s3.settings(f'credential_process = "{program}"\n')
    with moto_s3.checked():
        assert at_s3("list", f"st:{bucket}", check=0).out == f"{bucket}/a\n"
    assert "from credential_process" in at_s3("credentials", "show", check=0).out
    for wrong, words in (("false", "exit code 1"), ("/no/such/program", "cannot be run"), ("echo x", "no access key")):
        at_s3.settings(f'credential_process = "{wrong}"\n')
        assert words in at_s3("list", f"st:{bucket}", check=2).err


def test_a_profile_of_the_aws_configuration_brings_the_key(at_s3, moto_s3, bucket, _own_home):
    aws = _own_home.parent / ".aws"
    aws.mkdir()
    (aws / "credentials").write_text(
        f"[default]\naws_access_key_id = WRONG\naws_secret_access_key = x\n"
        f"[work]\naws_access_key_id = {moto_s3.key.id}\naws_secret_access_key = {moto_s3.key.secret}\n"
    )
    at_s3.settings('aws_profile = "work"\n')
    with moto_s3.checked():
        assert at_s3("list", f"st:{bucket}", check=0).out == f"{bucket}/a\n"
    assert "from the profile work of ~/.aws" in at_s3("credentials", "show", check=0).out
    at_s3.settings('aws_profile = "missing"\n')
    assert "missing" in at_s3("list", f"st:{bucket}", check=2).err
