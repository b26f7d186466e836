"""One login by the device flow, and the S3 commands get their keys by themselves."""

from __future__ import annotations


def test_start_agent_logs_in_for_an_s3_store(cli, box, moto_s3):
    bucket = moto_s3.bucket()
    moto_s3.client().put_object(Bucket=bucket, Key="a", Body=b"x")
    (cli.cwd / "s3.toml").write_text(
        f'[profiles.st]\nkind = "s3"\nendpoint = "{moto_s3.url}"\nregion = "{moto_s3.region}"\nca = "{box.ca}"\n'
        f'issuer = "{box.issuer}"\nclient_id = "{box.client_id}"\n'
        'role_arn = "arn:aws:iam::123456789012:role/reader"\n'
    )
    cli.env = {"CTADATA_CONFIG": str(cli.cwd / "s3.toml"), "CTADATA_PROFILE": "st"}
    try:
        cli("start-agent", check=0)
        assert cli("list", f"st:{bucket}", check=0).out == f"{bucket}/a\n"
        assert "temporary access key" in cli("credentials", "show", check=0).out
    finally:
        cli("logout", check=0)
    assert "start-agent" in cli("list", f"st:{bucket}", check=4).err


def test_a_login_at_keycloak_gets_keys_of_minio(cli, keycloak, minio_of_logins):
    """AssumeRoleWithWebIdentity at two servers that nobody here wrote; MinIO wants no role, and an audience."""
    at = minio_of_logins.client(minio_of_logins.keys)
    for bucket in ("mine", "theirs"):
        at.create_bucket(Bucket=bucket)
    minio_of_logins.allow("observer", "mine")
    (cli.cwd / "s3.toml").write_text(
        f'[profiles.st]\nkind = "s3"\nendpoint = "{minio_of_logins.http}"\naddressing = "path"\nca = "{keycloak.ca}"\n'
        f'issuer = "{keycloak.issuer("lasting")}"\nclient_id = "store"\n'
    )
    (cli.cwd / "a").write_text("content")
    cli.env = {"CTADATA_CONFIG": str(cli.cwd / "s3.toml"), "CTADATA_PROFILE": "st"}
    assert "start-agent" in cli("list", "st:mine", check=4).err
    try:
        terminal = cli.terminal("start-agent", rows=60, columns=200)
        keycloak.approve(terminal.expect(r"https://\S+user_code=\S+")[0])
        assert terminal.end() == 0
        cli("put", "a", "st:mine/d/", check=0)
        assert at.get_object(Bucket="mine", Key="d/a")["Body"].read() == b"content"
        assert cli("list", "st:mine/d", check=0).out == "mine/d/a\n"
        assert "temporary access key" in cli("credentials", "show", check=0).out
        assert "may not write here" in cli("put", "a", "st:theirs/d/", check=4).err
    finally:
        cli("logout", check=0)
    assert "start-agent" in cli("list", "st:mine", check=4).err
