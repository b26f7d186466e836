"""Threads that fetch URLs with libcurl, each over a connection of its own, and do nothing else.

python bare.py URL CA LIST OUT THREADS
"""

import sys
import threading
from pathlib import Path

import pycurl


def work(url: str, ca: str, out: Path, names: "list[str]") -> None:
    """Fetch names from the end of the list until none is left."""
    curl = pycurl.Curl()
    curl.setopt(pycurl.CAINFO, ca)
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.FAILONERROR, 1)
    while names:
        try:
            name = names.pop()
        except IndexError:
            break
        with (out / name).open("wb") as file:
            curl.setopt(pycurl.URL, f"{url}/{name}")
            curl.setopt(pycurl.WRITEDATA, file)
            curl.perform()
    curl.close()


def main(url: str, ca: str, listing: str, out: str, threads: str) -> None:
    """Fetch everything that LIST names."""
    names = Path(listing).read_text().split("\n")[:-1]
    for folder in {(Path(out) / name).parent for name in names}:
        folder.mkdir(parents=True, exist_ok=True)
    crew = [threading.Thread(target=work, args=(url, ca, Path(out), names)) for _ in range(int(threads))]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()


main(*sys.argv[1:])
