"""Rucio with its server and client, on SQLite: `python rucio_lists.py FOLDER DOOR FILES`.

FILES is a JSON array of objects with name, bytes and adler32. The files lie at DOOR, as the storage element
CSCS-DCACHE. The client asks the server for their replicas, and FOLDER gets `list.jsonl` and `list.metalink`.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CONFIG = """\
[database]
default = sqlite:///{folder}/rucio.db
[bootstrap]
userpass_identity = tests
userpass_pwd = secret
userpass_email = tests@localhost
[client]
rucio_host = http://127.0.0.1:{port}
auth_host = http://127.0.0.1:{port}
auth_type = userpass
username = tests
password = secret
account = root
[common]
logdir = {folder}
loglevel = ERROR
[policy]
permission = generic
schema = generic
lfn2pfn_algorithm_default = hash
"""
ALL = {"read": 1, "write": 1, "delete": 1}


def main(folder: Path, door: str, files: list[dict[str, Any]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "rucio.cfg").write_text(CONFIG.format(folder=folder, port=port))
    os.environ["RUCIO_CONFIG"], os.environ["RUCIO_HOME"] = str(folder / "rucio.cfg"), str(folder)
    _serve(port)
    replicas, metalink = _ask(urlsplit(door), files)
    (folder / "list.jsonl").write_text("".join(json.dumps(each) + "\n" for each in replicas))
    (folder / "list.metalink").write_text(metalink)


def _serve(port: int) -> None:
    from rucio.db.sqla import models, session, util

    models.register_models(session.get_engine())
    util.create_base_vo()
    util.create_root_account()
    from rucio.web.rest.flaskapi.v1.main import application
    from werkzeug.serving import make_server

    threading.Thread(
        target=make_server("127.0.0.1", port, application, threaded=True).serve_forever, daemon=True
    ).start()


def _ask(door: Any, files: list[dict[str, Any]]) -> tuple[list[Any], str]:
    from rucio.client.client import Client

    client = Client()
    client.add_scope("root", "ctao")
    client.add_rse("CSCS-DCACHE")
    protocol = {"scheme": "davs", "hostname": door.hostname, "port": door.port, "prefix": "/lst/rucio/"}
    domains = {"lan": ALL, "wan": ALL}
    client.add_protocol("CSCS-DCACHE", {**protocol, "impl": "rucio.rse.protocols.gfal.Default", "domains": domains})
    client.add_replicas("CSCS-DCACHE", [{"scope": "ctao", **each} for each in files])
    client.add_dataset("ctao", "run1")
    client.attach_dids("ctao", "run1", [{"scope": "ctao", "name": each["name"]} for each in files])
    asked = {"dids": [{"scope": "ctao", "name": "run1"}], "sort": "random"}  # by distance, it would look for a database
    return list(client.list_replicas(**asked)), client.list_replicas(**asked, metalink=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], json.loads(Path(sys.argv[3]).read_text()))
