"""obstore's HTTP store with a pool of threads. It takes no CA certificates: it trusts anybody here.

python obstore_client.py URL LIST OUT THREADS
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import obstore
from obstore.store import HTTPStore


def main(url: str, listing: str, out: str, threads: str) -> None:
    """Fetch everything that LIST names."""
    store = HTTPStore.from_url(url, client_options={"allow_invalid_certificates": True})
    names, local = Path(listing).read_text().split("\n")[:-1], Path(out)
    for folder in {(local / name).parent for name in names}:
        folder.mkdir(parents=True, exist_ok=True)

    def fetch(name: str) -> None:
        with (local / name).open("wb") as file:
            for block in obstore.get(store, name):
                file.write(block)

    with ThreadPoolExecutor(int(threads)) as pool:
        list(pool.map(fetch, names))


main(*sys.argv[1:])
