"""What the hub of the tests starts as a user's session: it notes the environment it is given, and answers the hub."""

import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


with HTTPServer(("127.0.0.1", urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"]).port), Answer) as server:
    Path.home().joinpath("environment.json").write_text(json.dumps(dict(os.environ)))
    server.serve_forever()
