"""Who may open `browse --web`: the web browser that has the address first, and nobody else on the machine."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from ctadata.browse.web import COOKIE, BrowserServer
from ctadata.sandbox import Sandbox

PROGRAM = Path(__file__).parents[1] / "servers" / "browse.mjs"
PICTURE = Path(__file__).parents[2] / "docs" / "guides" / "browse-web.png"
WRITE = bool(os.environ.get("CTADATA_WRITE_PICTURE"))


def serving(script: Callable[[BrowserServer, aiohttp.ClientSession], Any]) -> None:
    """Run the script while a server serves a page that ends at once."""

    async def main() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        server = BrowserServer(["true"], listener.getsockname()[1])
        runner = web.AppRunner(await server.make_application())
        await runner.setup()
        await web.SockSite(runner, listener).start()
        async with aiohttp.ClientSession() as client:
            await script(server, client)
        await runner.cleanup()

    asyncio.run(main())


def test_the_address_opens_once_and_every_page_needs_its_cookie() -> None:
    async def script(server: BrowserServer, client: aiohttp.ClientSession) -> None:
        origin = server.address.partition("/?")[0]

        async def status(url: str, **more: Any) -> int:
            async with client.get(url, **more) as answer:
                return answer.status

        assert await status(f"{origin}/?code=wrong") == 403
        assert await status(f"{origin}/") == 403
        assert await status(server.address, headers={"Host": "evil.example"}) == 421
        assert await status(server.address, headers={"Origin": "http://127.0.0.1:1"}) == 403
        async with client.get(server.address) as opened:
            cookie, page = opened.cookies[COOKIE], await opened.text()
            assert "default-src 'none'" in opened.headers["Content-Security-Policy"]
        assert (cookie["httponly"], cookie["samesite"]) == (True, "Strict")
        place = re.search(r"url=(/[^/]+/)", page)[1]
        assert cookie["path"] == place
        assert await status(server.address) == 403  # the code works once
        key = {"Cookie": f"{COOKIE}={cookie.value}"}
        client.cookie_jar.clear()
        for path in (place, f"{place}ws", f"{place}static/js/textual.js", f"{place}download/x", "/else"):
            assert await status(origin + path) == 403
            assert await status(origin + path, headers={"Cookie": f"{COOKIE}=wrong"}) == 403
        assert await status(origin + place, headers=key) == 200
        assert await status(origin + place, headers=key | {"Host": f"localhost:{server.port + 1}"}) == 200  # a tunnel
        assert await status(origin + place, headers=key | {"Host": "rebound.example"}) == 421
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(f"{origin}{place}ws", headers=key | {"Origin": "http://evil.example"})
        assert refused.value.status == 403

    serving(script)


@pytest.mark.full("chromium")
def test_a_person_copies_a_file_in_a_web_browser(settings: Path, box: Sandbox, local: Path, tmp_path: Path) -> None:
    box.files.put("/lst/web/run1/events.h5", b"seen in Chromium")
    box.files.put("/lst/web/run1/[red]odd\n.txt", b"odd")
    command = [sys.executable, "-m", "ctadata", "browse", "--web", "--local", str(local), "/lst/web/run1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        picture = tmp_path / "browse.png"
        with tempfile.TemporaryDirectory(
            dir="/tmp"
        ) as short:  # Chromium makes a socket there, whose path must be short
            env = os.environ | {"HOME": str(tmp_path), "TMPDIR": short}
            words = ["node", PROGRAM, address, local / "events.h5", picture]
            done = subprocess.run(words, env=env, capture_output=True, text=True)
        server.send_signal(signal.SIGTERM)
    assert done.returncode == 0, done.stderr
    assert (local / "events.h5").read_bytes() == b"seen in Chromium"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert done.stdout.split() == ["second:", "403", "foreign:", "0"]
    if WRITE:
        PICTURE.write_bytes(picture.read_bytes())
