"""The recorded exchanges on bare sockets: most at a pool, others at door and frontend."""

import json
import re

from sandbox.raw_http import Answer, RawHttp

TOP = "/lst/users/ada/w2"
HELLO = b"hello world"
ELEVEN = {"Content-Length": "11"}
SIZE_CHECKSUMS_LOCALITY = (
    b'<?xml version="1.0"?><d:propfind xmlns:d="DAV:" xmlns:x="http://www.dcache.org/2013/webdav"'
    b' xmlns:s="http://srm.lbl.gov/StorageResourceManager"><d:prop><d:getcontentlength/><x:Checksums/><s:FileLocality/>'
    b"</d:prop></d:propfind>"
)
IN_META = re.compile(
    r"<d:getcontentlength[^<]*<?|Checksums>[^<]*|FileLocality>[^<]*|<\w*:?(?:Checksums|FileLocality)/>"
)
NOBODY = "00000000-0000-4000-8000-000000000000"


class PoolExchanges:
    """Makes all exchanges in the order of the recording.

    Attributes:
        answers: The responses by the name of the exchange.
        meta: The listings after uploads, by the name of the upload.
    """

    def __init__(self, box) -> None:
        self._box = box
        self._http = RawHttp(str(box.ca))
        self._token = box.token()
        self.answers: dict[str, Answer] = {}
        self.meta: dict[str, str] = {}

    def make_all(self) -> "PoolExchanges":
        self._door("DELETE", "")
        self._door("MKCOL", "")
        self._door("PUT", "/a.txt", ELEVEN, HELLO)
        self._downloads()
        self._uploads()
        self._unused_upload()
        self._at_the_door()
        self._names_and_paths()
        self._at_the_frontend()
        return self

    # ---- how

    def _door(self, method, path, headers=None, body=b"", top=TOP, login=True) -> Answer:
        own = {"Authorization": f"Bearer {self._token}"} if login else {}
        return self._http.ask(method, self._box.door + top + path, {**own, **(headers or {})}, body)[-1]

    def _to_read(self, headers=None) -> str:
        return self._door("GET", "/a.txt", headers).headers["location"]

    def _to_write(self, path, size=11) -> str:
        headers = {"Expect": "100-continue", "Content-Length": str(size)}
        return self._door("PUT", path, headers).headers["location"]

    def _pool(self, name, method, url, headers=None, body=b"") -> None:
        self.answers[name] = self._http.ask(method, url, headers or {}, body)[-1]

    def _meta(self, name, path) -> None:
        length = {"Depth": "0", "Content-Length": str(len(SIZE_CHECKSUMS_LOCALITY))}
        answer = self._door("PROPFIND", path, length, SIZE_CHECKSUMS_LOCALITY)
        self.meta[name] = f"HTTP/1.1 {answer.line} " + " ".join(IN_META.findall(answer.body))

    # ---- what

    def _downloads(self) -> None:
        url = self._to_read()
        bare = url.partition("?")[0]
        self._pool("pool HEAD", "HEAD", url)
        self._pool("pool GET", "GET", url)
        self._pool("pool GET again", "GET", url)
        self._pool("pool GET nouuid", "GET", bare)
        self._pool("pool GET bad uuid", "GET", f"{bare}?dcache-http-uuid={NOBODY}")
        self._pool("pool GET garbage uuid", "GET", f"{bare}?dcache-http-uuid=zzz")
        url = self._to_read()
        self._pool("pool GET wrong path", "GET", url.replace("a.txt", "b.txt"))
        self._pool("pool DELETE", "DELETE", url)
        self._pool("pool OPTIONS", "OPTIONS", url)
        self._pool("pool PUT on read", "PUT", url, {"Content-Length": "0"})
        self._pool("pool GET with auth", "GET", url, {"Authorization": f"Bearer {self._token}"})
        self.answers["door GET 9k header"] = self._door("GET", "/a.txt", {"X-Big": "a" * 9000})
        self._pool("want door only", "GET", self._to_read({"Want-Digest": "adler32"}))
        self._pool("want pool only", "GET", self._to_read(), {"Want-Digest": "adler32"})
        url = self._to_read()
        self._pool("range+close", "GET", url, {"Range": "bytes=0-1", "Connection": "close"})
        self._pool("after range+close", "GET", url)
        self._pool("If-Range", "GET", self._to_read(), {"Range": "bytes=50-60", "If-Range": '"x"'})
        self.answers["bad range door"] = self._door("GET", "/a.txt", {"Range": "bytes=x"})
        self._pool("bad range pool", "GET", self._to_read(), {"Range": "bytes=x"})

    def _uploads(self) -> None:
        bad = {"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA==", **ELEVEN}
        for name, path, headers in (
            ("pool PUT content-type", "/ct", {**ELEVEN, "Content-Type": "text/plain"}),
            ("pool PUT bad md5", "/md", bad),
            ("pool PUT want sha", "/wd", {**ELEVEN, "Want-Digest": "sha-256"}),
        ):
            self._pool(name, "PUT", self._to_write(path), headers, HELLO)
            self._meta(name, path)
        self._pool("pool PUT other size", "PUT", self._to_write("/short"), {"Content-Length": "5"}, b"hello")
        self._meta("pool PUT other size", "/short")
        self.answers["GET of it"] = self._door("GET", "/short")
        url = self._to_write("/cut")
        self._http.ask_and_leave("PUT", url, ELEVEN, b"hello")
        self._box.wait_for(lambda seen: seen.method == "PUT" and "/cut?" in seen.target and seen.server != "door")
        self._meta("pool PUT cut", "/cut")
        chunks = b"b\r\nhello world\r\n0\r\n\r\n"
        self._pool("pool PUT chunked", "PUT", self._to_write("/chunk"), {"Transfer-Encoding": "chunked"}, chunks)
        self._meta("pool PUT chunked", "/chunk")

    def _unused_upload(self) -> None:
        self._to_write("/none")
        self._meta("never used", "/none")
        self.answers["GET of never used"] = self._door("GET", "/none")
        self.answers["HEAD of never used"] = self._door("HEAD", "/none")
        self.answers["PUT over never used"] = self._door("PUT", "/none", ELEVEN, HELLO)
        self._meta("PUT over never used", "/none")
        self.answers["DELETE it"] = self._door("DELETE", "/none")

    def _at_the_door(self) -> None:
        own = {"Authorization": f"Bearer {self._token}", "Expect": "100-Continue", **ELEVEN}
        self.answers["PUT Expect 100-Continue caps"] = self._http.ask(
            "PUT", f"{self._box.door}{TOP}/caps", own, hold=True
        )[-1]
        mtime = {"X-OC-Mtime": "1600000000", **ELEVEN}
        self.answers["PUT expect+X-OC-Mtime"] = self._door("PUT", "/mt", mtime, HELLO)
        self.answers["HEAD it"] = self._door("HEAD", "/mt")
        self.answers["authz twice"] = self._door("GET", "/a.txt?authz=abc")
        self.answers["authz same"] = self._door("HEAD", f"/a.txt?authz={self._token}")
        self.answers["metalink"] = self._door("GET", "/a.txt?type=metalink")

    def _names_and_paths(self) -> None:
        one = {"Content-Length": "1"}
        self.answers["NFD put"] = self._door("PUT", "/e%CC%81.txt", ELEVEN, HELLO)
        self.answers["NFD loc"] = self._door("GET", "/e%CC%81.txt")
        self._door("PUT", "/a;b.txt", one, b"x")
        self.answers["name with ; get"] = self._door("GET", "/a;b.txt")
        self.answers["name %3B"] = self._door("HEAD", "/a%3Bb.txt")
        self.answers["dotdot"] = self._door("GET", "/x/../a.txt")
        self.answers["double slash"] = self._door("HEAD", "//lst//users/ada/w2/a.txt", top="")
        self.answers["trailing slash file"] = self._door("HEAD", "/a.txt/")
        self.answers["hash %23"] = self._door("PUT", "/h%23x", one, b"x")
        self.answers["DELETE hash"] = self._door("DELETE", "/h%23x")
        self.answers["bad pct"] = self._door("HEAD", "/100%25")
        self.answers["If-Match bad"] = self._door("PUT", "/a.txt", {"If-Match": '"x"', **one}, b"y")
        self.answers["PROPFIND href odd"] = self._door("PROPFIND", "/", {"Depth": "1", "Content-Length": "0"})

    def _at_the_frontend(self) -> None:
        name = "/api/v1/namespace"
        here = f"{name}{TOP}"
        nobody = f"/api/v1/tape/%s/{NOBODY}"
        for title, method, path, body in (
            ("mv", "POST", f"{here}/mt", {"action": "mv", "destination": "mt2"}),
            ("mv onto", "POST", f"{here}/mt2", {"action": "mv", "destination": "wd"}),
            ("mkdir exists", "POST", here.rpartition("/")[0], {"action": "mkdir", "name": "w2"}),
            ("bad action", "POST", f"{here}/a.txt", {"action": "nope"}),
            ("pin", "POST", f"{here}/a.txt", {"action": "pin", "lifetime": "1", "lifetime-unit": "HOURS"}),
            ("rm", "DELETE", f"{here}/wd", None),
            ("rm missing", "DELETE", f"{here}/zz", None),
            ("forbidden", "POST", f"{name}/", {"action": "mkdir", "name": "zz"}),
            ("rm-xattr missing", "POST", f"{here}/a.txt", {"action": "rm-xattr", "names": ["q"]}),
            ("rm-label missing", "POST", f"{here}/a.txt", {"action": "rm-label", "label": "q"}),
            ("stage get missing", "GET", nobody % "stage", None),
            ("release", "POST", nobody % "release", {"paths": [f"{TOP}/a.txt"]}),
            ("quota grp", "GET", "/api/v1/quota/group?user=true", None),
            ("children", "GET", f"{here}?children=true&limit=2&offset=1", None),
            ("bulk", "GET", "/api/v1/bulk-requests", None),
            ("labels", "GET", "/api/v1/labels", None),
        ):
            self.answers[f"REST {title}"] = self._frontend(method, path, body)
        staged = self._frontend("POST", "/api/v1/tape/stage", {"files": [{"path": f"{TOP}/a.txt"}]})
        request = f"/api/v1/tape/stage/{json.loads(staged.body)['requestId']}"
        self.answers["REST stage status"] = self._frontend("GET", request)
        self.answers["REST stage rm"] = self._frontend("DELETE", request)

    def _frontend(self, method, path, body=None) -> Answer:
        data = b"" if body is None else json.dumps(body).encode()
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
        }
        return self._http.ask(method, self._box.frontend + path, headers, data)[-1]
