"""boto3 with a pool of threads, as its users write it.

python s3_boto3.py get|put|get1|put1|list BUCKET PREFIX LIST LOCAL THREADS    (endpoint and keys: AWS_* variables)
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config


def main(verb: str, bucket: str, prefix: str, listing: str, local: str, threads: str) -> None:
    """Do one of the five; small files by one request each, the one large by boto3's own transfers."""
    number, folder = int(threads), Path(local)
    config = Config(
        max_pool_connections=number,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    client = boto3.client("s3", endpoint_url=os.environ["ENDPOINT"], verify=os.environ["CA"], config=config)
    transfers = TransferConfig(max_concurrency=number, preferred_transfer_client="classic")
    if verb == "list":
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for found in page.get("Contents", ()):
                print(found["Key"])  # noqa: T201
        return
    if verb == "get1":
        client.download_file(bucket, prefix, local, Config=transfers)
        return
    if verb == "put1":
        client.upload_file(local, bucket, prefix, Config=transfers)
        return
    names = Path(listing).read_text().split("\n")[:-1]
    for parent in {(folder / name).parent for name in names} if verb == "get" else ():
        parent.mkdir(parents=True, exist_ok=True)

    def get(name: str) -> None:
        (folder / name).write_bytes(client.get_object(Bucket=bucket, Key=prefix + name)["Body"].read())

    def put(name: str) -> None:
        client.put_object(Bucket=bucket, Key=prefix + name, Body=(folder / name).read_bytes())

    with ThreadPoolExecutor(number) as pool:
        list(pool.map({"get": get, "put": put}[verb], names))


main(*sys.argv[1:])
