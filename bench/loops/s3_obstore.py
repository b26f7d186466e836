"""obstore with a pool of threads. It takes no CA certificates: it trusts anybody here.

python s3_obstore.py get|put|get1|put1|list BUCKET PREFIX LIST LOCAL THREADS    (endpoint and keys: AWS_* variables)
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import obstore
from obstore.store import S3Store


def main(verb: str, bucket: str, prefix: str, listing: str, local: str, threads: str) -> None:
    """Do one of the five."""
    number, folder = int(threads), Path(local)
    store = S3Store(
        bucket,
        endpoint=os.environ["ENDPOINT"],
        virtual_hosted_style_request=False,
        client_options={"allow_http": True, "allow_invalid_certificates": True},
    )
    if verb == "list":
        for page in obstore.list(store, prefix, chunk_size=1000):
            for found in page:
                print(found["path"])  # noqa: T201
        return
    if verb == "put1":
        obstore.put(store, prefix, folder, max_concurrency=number)
        return
    names = [""] if verb == "get1" else Path(listing).read_text().split("\n")[:-1]
    for parent in {(folder / name).parent for name in names} if verb == "get" else ():
        parent.mkdir(parents=True, exist_ok=True)

    def get(name: str) -> None:
        with (folder / name).open("wb") as file:
            for block in obstore.get(store, prefix + name):
                file.write(block)

    def put(name: str) -> None:
        obstore.put(store, prefix + name, (folder / name).read_bytes(), use_multipart=False)

    with ThreadPoolExecutor(number) as pool:
        list(pool.map({"get": get, "get1": get, "put": put}[verb], names))


main(*sys.argv[1:])
