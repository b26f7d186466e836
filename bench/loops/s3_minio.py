"""minio-py with a pool of threads.

python s3_minio.py get|put|get1|put1|list BUCKET PREFIX LIST LOCAL THREADS    (endpoint and keys: AWS_* variables)
"""

import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from minio import Minio


def main(verb: str, bucket: str, prefix: str, listing: str, local: str, threads: str) -> None:
    """Do one of the five."""
    number, folder = int(threads), Path(local)
    endpoint = urlsplit(os.environ["ENDPOINT"])
    client = Minio(
        endpoint.netloc,
        access_key=os.environ["AWS_ACCESS_KEY_ID"],
        secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        region=os.environ["AWS_DEFAULT_REGION"],
        secure=endpoint.scheme == "https",
        http_client=urllib3.PoolManager(maxsize=number, ca_certs=os.environ["CA"]),
    )
    if verb == "list":
        for found in client.list_objects(bucket, prefix=prefix, recursive=True):
            print(found.object_name)  # noqa: T201
        return
    if verb == "get1":
        client.fget_object(bucket, prefix, local)
        return
    if verb == "put1":
        client.fput_object(bucket, prefix, local, num_parallel_uploads=number)
        return
    names = Path(listing).read_text().split("\n")[:-1]
    for parent in {(folder / name).parent for name in names} if verb == "get" else ():
        parent.mkdir(parents=True, exist_ok=True)

    def get(name: str) -> None:
        answer = client.get_object(bucket, prefix + name)
        try:
            (folder / name).write_bytes(answer.read())
        finally:
            answer.close()
            answer.release_conn()

    def put(name: str) -> None:
        content = (folder / name).read_bytes()
        client.put_object(bucket, prefix + name, io.BytesIO(content), len(content))

    with ThreadPoolExecutor(number) as pool:
        list(pool.map({"get": get, "put": put}[verb], names))


main(*sys.argv[1:])
