"""The recorded exchanges at door and frontend, in the order of the recording."""

from collections.abc import Mapping
from dataclasses import dataclass, field

HOME = "/lst/users/ada"
TOP = f"{HOME}/wire"
HELLO = b"hello world"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
MACAROON = {"Content-Type": "application/macaroon-request"}
WAIT = {"Expect": "100-continue"}
PROPERTIES = (
    b'<?xml version="1.0"?><d:propfind xmlns:d="DAV:" xmlns:x="http://www.dcache.org/2013/webdav"'
    b' xmlns:s="http://srm.lbl.gov/StorageResourceManager"><d:prop><d:resourcetype/><d:getcontentlength/>'
    b"<d:getlastmodified/><d:getetag/><d:creationdate/><x:Checksums/><s:FileLocality/><s:AccessLatency/>"
    b"<s:RetentionPolicy/><d:quota-available-bytes/><d:quota-used-bytes/></d:prop></d:propfind>"
)
EVERYTHING = b'<?xml version="1.0"?><d:propfind xmlns:d="DAV:"><d:allprop/></d:propfind>'
SET_RUN = (
    b'<?xml version="1.0"?><d:propertyupdate xmlns:d="DAV:" xmlns:x="http://www.dcache.org/2020/xattr"><d:set><d:prop>'
    b"<x:run>7</x:run></d:prop></d:set></d:propertyupdate>"
)


@dataclass(frozen=True)
class Exchange:
    """One request. `path` begins at the server's root; `login` is `own` (ada's token), `none` or `bad`; `follow`
    repeats the request, without its login, where a redirect points."""

    name: str
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    server: str = "door"
    login: str = "own"
    follow: bool = False


def door(name, method, path="", headers=None, body=None, **more):
    """An exchange at the door; `path` begins at the directory that the recording creates."""
    return Exchange(name, method, TOP + path, headers or {}, body, **more)


def put(name, path, headers=None, body=HELLO, **more):
    return door(name, "PUT", path, headers, body, **more)


def propfind(name, path, depth="0", body=PROPERTIES):
    return door(name, "PROPFIND", path, {"Depth": depth, **FORM}, body)


def move(name, path, to, headers=None):
    return door(name, "MOVE", path, {"Destination": TOP + to, **(headers or {})})


def followed(name, path, headers=None):
    return door(name, "GET", path, headers, follow=True)


def rest(name, method, path, body=None, **more):
    return Exchange(name, method, path, JSON if body else {}, body, "frontend", **more)


DOOR_EXCHANGES = [
    door("00_delete_old", "DELETE"),
    door("01_mkcol", "MKCOL"),
    door("02_mkcol_again", "MKCOL"),
    door("03_mkcol_noparent", "MKCOL", "/a/b/c"),
    put("10_put_plain_noexpect", "/plain.txt"),
    put("11_put_overwrite", "/plain.txt"),
    put("12_put_expect", "/exp.txt", WAIT),
    put("13_put_expect_follow", "/exp2.txt", WAIT, follow=True),
    put("14_put_ifnonematch", "/plain.txt", {"If-None-Match": "*"}),
    put("15_put_wantdigest", "/md5.txt", {"Want-Digest": "md5"}),
    put("16_put_contentmd5_bad", "/badmd5.txt", {"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}),
    door("16b_head_badmd5", "HEAD", "/badmd5.txt"),
    put("17_put_on_dir", ""),
    put("18_put_empty", "/empty.txt", body=b""),
    put("18b_put_cl0", "/empty0.txt", body=b""),
    put("19_put_parent_missing", "/new/deep/f.txt"),
    put("20_put_parent_is_file", "/plain.txt/x"),
    put("21_put_range", "/cr.txt", {"Content-Range": "bytes 0-10/11"}),
    door("30_head", "HEAD", "/plain.txt"),
    door("31_head_adler", "HEAD", "/plain.txt", {"Want-Digest": "adler32"}),
    door("32_head_many", "HEAD", "/md5.txt", {"Want-Digest": "md5;q=0.5,adler32;q=1.0,sha"}),
    door("32b_head_md5_absent", "HEAD", "/plain.txt", {"Want-Digest": "md5"}),
    door("33_head_repr", "HEAD", "/plain.txt", {"Want-Repr-Digest": "sha-256=1"}),
    door("34_head_missing", "HEAD", "/none"),
    door("35_head_dir", "HEAD", "/"),
    door("35b_head_dir_noslash", "HEAD"),
    door("36_get_missing", "GET", "/none"),
    door("37_get_dir", "GET", "/"),
    door("38_get_dir_noslash", "GET"),
    door("39_get", "GET", "/plain.txt"),
    followed("40_get_follow", "/plain.txt", {"Want-Digest": "adler32"}),
    followed("41_get_range", "/plain.txt", {"Range": "bytes=2-4"}),
    followed("42_get_range_unsat", "/plain.txt", {"Range": "bytes=100-200"}),
    followed("43_get_range_open", "/plain.txt", {"Range": "bytes=6-"}),
    followed("43b_get_range_suffix", "/plain.txt", {"Range": "bytes=-3"}),
    followed("44_get_range_empty", "/empty.txt", {"Range": "bytes=0-0"}),
    followed("45_get_empty", "/empty.txt"),
    followed("46_get_multirange", "/plain.txt", {"Range": "bytes=0-1,4-5"}),
    propfind("50_propfind0_file", "/plain.txt"),
    propfind("51_propfind0_dir", "/"),
    propfind("52_propfind1_dir", "", "1"),
    propfind("53_propfind_missing", "/none"),
    propfind("54_propfind_empty", "/plain.txt", body=b""),
    propfind("55_propfind_inf", "", "infinity"),
    propfind("56_propfind_badxml", "", body=b"<a"),
    propfind("57_propfind_allprop", "/plain.txt", body=EVERYTHING),
    move("60_move", "/plain.txt", "/moved.txt"),
    put("60b_put_again", "/plain.txt"),
    move("61_move_exists_noow", "/plain.txt", "/moved.txt"),
    move("62_move_exists_owF", "/plain.txt", "/moved.txt", {"Overwrite": "F"}),
    move("63_move_exists_owT", "/plain.txt", "/moved.txt", {"Overwrite": "T"}),
    move("64_move_missing", "/none", "/m2.txt"),
    move("65_move_noparent", "/moved.txt", "/np/x.txt"),
    move("66_move_dir", "/new", "/new2"),
    door("66b_move_dir_onto_dir", "MKCOL", "/new3"),
    move("66c_move_dir_onto_dir", "/new2", "/new3", {"Overwrite": "T"}),
    move("66d_move_file_onto_dir", "/moved.txt", "/new3", {"Overwrite": "T"}),
    door("67_copy", "COPY", "/exp2.txt", {"Destination": f"https://localhost:2880{TOP}/cp.txt"}),
    door("68_lock", "LOCK", "/exp2.txt"),
    door("69_options", "OPTIONS", "/"),
    door("70_proppatch", "PROPPATCH", "/exp2.txt", FORM, SET_RUN),
    door("71_post", "POST", "/exp2.txt", FORM, b"x"),
    door("80_macaroon", "POST", "/exp2.txt", MACAROON, b'{"caveats":["activity:DOWNLOAD,LIST"],"validity":"PT5M"}'),
    door("81_macaroon_bad", "POST", "/exp2.txt", MACAROON, b'{"caveats":["activity:NOPE"],"validity":"PT5M"}'),
    door("82_macaroon_long", "POST", "/exp2.txt", MACAROON, b'{"validity":"P30D"}'),
    door("83_macaroon_nobody", "POST", "/exp2.txt", MACAROON),
    door("90_noauth_head", "HEAD", "/exp2.txt", login="none"),
    door("91_noauth_get", "GET", "/exp2.txt", login="none"),
    door("92_noauth_propfind", "PROPFIND", "/", {"Depth": "0"}, login="none"),
    door("93_badtoken", "GET", "/exp2.txt", login="bad"),
    Exchange("94_forbidden_put", "PUT", "/lst/nope.txt", {}, HELLO),
    Exchange("95_forbidden_mkcol", "MKCOL", "/nope"),
    Exchange("95b_forbidden_delete", "DELETE", "/lst"),
    rest("a0_user", "GET", "/api/v1/user"),
    rest("a1_ns", "GET", f"/api/v1/namespace{TOP}?children=true&locality=true&checksum=true&limit=3"),
    rest(
        "a2_ns_file",
        "GET",
        f"/api/v1/namespace{TOP}/exp2.txt?locality=true&checksum=true&xattr=true&labels=true&qos=true",
    ),
    rest("a3_ns_missing", "GET", f"/api/v1/namespace{TOP}/none"),
    rest("a4_mkdir", "POST", f"/api/v1/namespace{TOP}", b'{"action":"mkdir","name":"rd"}'),
    rest("a5_rmnonempty", "DELETE", f"/api/v1/namespace{TOP}"),
    rest("a6_quota", "GET", "/api/v1/quota/user?user=true"),
    rest("a7_tape", "GET", "/.well-known/wlcg-tape-rest-api"),
    Exchange("a7b_tape_door", "GET", "/.well-known/wlcg-tape-rest-api"),
    rest(
        "a8_archiveinfo",
        "POST",
        "/api/v1/tape/archiveinfo",
        b'{"paths":["%s/exp2.txt","%s/none"]}' % ((TOP.encode(),) * 2),
    ),
    rest(
        "a9_stage",
        "POST",
        "/api/v1/tape/stage",
        b'{"files":[{"path":"%s/exp2.txt","diskLifetime":"PT1H"}]}' % TOP.encode(),
    ),
    rest("aa_label", "POST", f"/api/v1/namespace{TOP}/exp2.txt", b'{"action":"set-label","label":"good"}'),
    rest("ab_xattr", "POST", f"/api/v1/namespace{TOP}/exp2.txt", b'{"action":"set-xattr","attributes":{"a":"b"}}'),
    rest("ac_qos", "POST", f"/api/v1/namespace{TOP}/exp2.txt", b'{"action":"qos","target":"tape"}'),
    rest("ad_qos_list", "GET", "/api/v1/qos-management/qos/file"),
    rest("ae_doors", "GET", "/api/v1/doors"),
    rest("af_noauth_user", "GET", "/api/v1/user", login="none"),
    door("b0_delete_file", "DELETE", "/exp2.txt"),
    door("b1_delete_missing", "DELETE", "/none"),
    door("b2_delete_tree", "DELETE"),
]
