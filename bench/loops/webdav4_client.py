"""webdav4 with a pool of threads, as its users write it.

python webdav4_client.py get|put|list URL CA LIST LOCAL THREADS    (list: URL CA PATH)
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from webdav4.client import Client


def get(client: Client, names: "list[str]", local: Path, threads: int) -> None:
    """Fetch every name."""
    for folder in {(local / name).parent for name in names}:
        folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda name: client.download_file(name, local / name), names))


def put(client: Client, names: "list[str]", local: Path, threads: int) -> None:
    """Upload every name, the folders first."""
    client.mkdir("")
    for folder in sorted({str(parent) for name in names for parent in PurePosixPath(name).parents if parent.name}):
        client.mkdir(folder)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda name: client.upload_file(local / name, name), names))


def main(verb: str, url: str, ca: str, what: str, local: str = "", threads: str = "8") -> None:
    """Do one of the three."""
    client = Client(url, verify=ca)
    if verb == "list":
        for path in client.ls(what, detail=False):
            print(path)  # noqa: T201
        return
    names = Path(what).read_text().split("\n")[:-1]
    {"get": get, "put": put}[verb](client, names, Path(local), int(threads))


main(*sys.argv[1:])
