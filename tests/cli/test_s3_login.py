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
