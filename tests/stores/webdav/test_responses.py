"""Templates read what expat reads, for every body, however it is cut into blocks."""

from __future__ import annotations

import itertools
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctadata.errors import ServerTrouble
from ctadata.stores.webdav.response_template import FORMS, ResponseTemplate, Templates, Text, learn_template
from ctadata.stores.webdav.responses import Responses, Texts

FIXTURES = sorted((Path(__file__).parent / "fixtures").glob("*.xml"))
KNOWN = Templates()
"""The templates that one listing of these tests leaves for the next."""

Said = tuple[list[tuple[Texts, int]], str]


def read(body: bytes, cuts: list[int], *, forms: int, known: Templates | None = None) -> Said:
    """All that is told of a body in blocks that end at `cuts`; the words of an error are the last thing told."""
    told: list[tuple[Texts, int]] = []
    responses = Responses(lambda *response: told.append(response), "/t", forms=forms, known=known)
    places = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    try:
        for start, stop in itertools.pairwise(places):
            responses.feed(body[start:stop])
        responses.close()
    except ServerTrouble as error:
        return told, error.what
    return told, ""


def assert_the_same(body: bytes, cuts: list[int]) -> None:
    expat = read(body, [], forms=0)
    again = Templates()
    for known in (None, KNOWN, again, again, again):
        learnt = read(body, cuts, forms=8, known=known)
        if expat[1]:  # where a body is broken, what is said of it before may differ, and where it is put
            assert learnt[1]
        else:
            assert learnt == expat


def many(block: int, body: bytes) -> list[int]:
    return list(range(block, len(body), block))


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.stem)
@pytest.mark.parametrize("block", [1, 64, 999, 16384])
def test_the_bodies_of_eight_servers(fixture: Path, block: int) -> None:
    body = fixture.read_bytes()
    assert_the_same(body, many(block, body))


@pytest.mark.parametrize("server", ["apache-oidc", "nginx", "rclone", "wsgidav", "xrd-one", "npmdav", "asgi"])
def test_templates_read_most_responses_of_a_server(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that this is about what it says; names beyond ASCII and with references are expat's."""
    fits, read_by = 0, ResponseTemplate.read

    def counting(self: ResponseTemplate, content: str, at: int) -> object:
        nonlocal fits
        found = read_by(self, content, at)
        fits += found is not None
        return found

    monkeypatch.setattr(ResponseTemplate, "read", counting)
    told, _ = read((FIXTURES[0].parent / f"{server}-names.xml").read_bytes(), [], forms=8)
    assert fits > len(told) / 2 + 8  # each learnt form is tried once on itself


def test_the_later_listings_of_a_server_need_expat_for_no_response() -> None:
    known, body = Templates(), listing(*[one(f"/t/{i}", between="\n") for i in range(4)])
    handled = []
    for _ in range(4):
        responses = Responses(lambda *_: None, "/t", known=known)
        respond = responses._respond
        responses._respond = lambda respond=respond: handled.append(respond())  # type: ignore[method-assign]
        responses.feed(body)
        responses.close()
    assert len(handled) == 2 + 1  # the first response, the one that a template is learnt from, and the first again


def test_an_error_after_responses_that_templates_read_breaks_the_listing_off() -> None:
    known, body = Templates(), listing(*[one(f"/t/{i}", between="\n") for i in range(4)])
    error = b"<D:error><s:exception xmlns:s='http://sabredav.org/ns'>Sabre\\DAV\\Exception\\NotFound</s:exception></D:error>"
    broken = body.replace(b"</D:multistatus>", error + b"</D:multistatus>")
    for _ in range(3):
        read(body, [], forms=8, known=known)
    told, words = read(broken, [], forms=8, known=known)
    assert len(told) == 4
    assert words.startswith("the server broke off its listing")


def test_templates_are_for_listings_that_begin_alike() -> None:
    known = Templates()
    members = [one(f"/t/{i}") for i in range(4)]
    body, other = listing(*members), listing(*members).replace(b'"DAV:"', b'"other:"', 1)
    assert read(body, [], forms=8, known=known) == (told := read(body, [], forms=0))
    assert len(told[0]) == 4
    assert read(other, [], forms=8, known=known) == read(other, [], forms=0) != told


def test_a_list_of_templates_that_is_full_is_not_kept() -> None:
    known = Templates()
    templates = known.find(b"<a>")
    assert known.find(b"<a>") is templates is not known.find(b"<b>")
    templates = known.find(b"<a>")
    templates += [learn_template("<b>x</b>", [Text("b", "x", 4)], 0, ("b", "c"))] * FORMS
    assert known.find(b"<a>") == []


# bodies made of pieces that fit together, and of some that do not

TEXTS = st.one_of(
    st.sampled_from(
        ["", " ", "a", "a b", "/t/x", "]]", "]", ";", "&lt;", "x" * 300, "é", "日本", "\u2028", "a\tb", "a\rb"]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8),
    st.text("abc %&<>]", max_size=8),
)


@st.composite
def content(draw: st.DrawFn) -> str:
    """Of an element: a text as it is, escaped, in CDATA, by number, with a comment or an element somewhere."""
    text = draw(TEXTS)
    plain = escape(text)
    return draw(
        st.sampled_from(
            [
                *[plain] * 6,
                "<![CDATA[" + text.replace("]]>", "") + "]]>",
                "".join(f"&#{ord(c)};" for c in text),
                f"<!-- {plain.replace('-', '')} -->{plain}",
                f"{plain}<!-- </D:response> -->",
                f"{plain[:1]}<D:odd>{plain}</D:odd>",
                f"<D:odd/>{plain}",
                f"<?target {plain.replace('?', '')}?>{plain}",
            ]
        )
    )


PROPERTIES = ["getcontentlength", "getlastmodified", "getetag", "iscollection", "displayname", "resourcetype"]


@st.composite
def element(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(PROPERTIES))
    attribute = draw(st.sampled_from(["", "", "", ' a="b>c"', ' xmlns:n="other:"', "\n"]))
    if draw(st.integers(0, 3)) == 0:
        return f"<D:{name}{attribute}/>"
    inner = "<D:collection/>" if name == "resourcetype" else draw(content())
    return f"<D:{name}{attribute}>{inner}</D:{name}>"


@st.composite
def propstat(draw: st.DrawFn) -> str:
    props = "".join(draw(st.lists(element(), max_size=4)))
    status = draw(st.sampled_from(["HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found", "odd"]))
    parts = [f"<D:prop>{props}</D:prop>", f"<D:status>{status}</D:status>"]
    return f"<D:propstat>{''.join(draw(st.permutations(parts)))}</D:propstat>"


@st.composite
def form(draw: st.DrawFn) -> str:
    """A response with holes for texts, so that several of one form can be made of it."""
    parts = ["<D:href>%s</D:href>", *draw(st.lists(propstat().map(lambda text: text.replace("%", "%%")), max_size=2))]
    parts += draw(
        st.lists(st.sampled_from(["<D:status>HTTP/1.1 403 No</D:status>", "<D:getetag>%s</D:getetag>"]), max_size=1)
    )
    usual = (
        "<D:propstat><D:prop><D:getcontentlength>%s</D:getcontentlength><D:getetag>%s</D:getetag></D:prop>"
        "<D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
    )
    parts += [usual] * draw(st.integers(0, 1))
    gap = draw(
        st.sampled_from(["", "\n", "\r\n", "<!-- between -->", " text ", "<D:response/>", "<D:other>x</D:other>"])
    )
    return gap + "<D:response>" + "".join(draw(st.permutations(parts))) + "</D:response>"


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    forms = draw(st.lists(form(), min_size=1, max_size=3))
    inside = []
    for _ in range(draw(st.integers(0, 8))):
        one = draw(st.sampled_from(forms))
        holes = one.replace("%%", "").count("%s")
        inside.append(one % tuple(draw(content()) for _ in range(holes)))
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-16", "iso-8859-1", "cp864"]))
    declared = draw(st.booleans()) or encoding not in ("utf-8", "utf-16")
    head = f'<?xml version="1.0" encoding="{encoding}"?>' if declared else ""
    tail = draw(st.sampled_from(["", " ", "junk"]))
    body = f'{head}<D:multistatus xmlns:D="DAV:">{"".join(inside)}</D:multistatus>{tail}'
    return body.encode(encoding, errors="xmlcharrefreplace")


def listing(*responses: str) -> bytes:
    return f'<D:multistatus xmlns:D="DAV:">{"".join(responses)}</D:multistatus>'.encode()


def one(href: str, size: str = "<D:getcontentlength>1</D:getcontentlength>", between: str = "") -> str:
    propstat = f"<D:propstat><D:prop>{size}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
    return f"{between}<D:response><D:href>{href}</D:href>{propstat}</D:response>"


@given(bodies(), st.lists(st.integers(0, 10_000), max_size=8))
@settings(max_examples=300)
@example(listing(one("/t/"), one("/t/a"), one("/t/b"), one("/t/&amp;"), one("/t/c")), [100, 101, 102])
@example(listing(*[one(f"/t/{i}", "<D:getetag/>") for i in range(3)], one("/t/x", "<D:getetag/>1")), [])
@example(listing(*[one(f"/t/{i}", between="<D:response/>") for i in range(4)]), [])
@example(listing(*[one(f"/t/{i}", "<D:getetag><![CDATA[1]]></D:getetag>") for i in range(4)]), [])
@example(
    listing(*[one("/t/a", "<D:getetag>a<D:b/></D:getetag>"), one("/t/b", "<D:getetag>a<D:b/></D:getetag>")] * 2), []
)
@example(listing(*[one(f"/t/{i}<!--x-->") for i in range(4)], one("/t/4")), [])
@example(listing(one("/t/"), one("/t/a"), one("/t/b"), "<D:response><D:href>/t/c</D:href>"), [])
def test_templates_read_what_expat_reads(body: bytes, cuts: list[int]) -> None:
    assert_the_same(body, cuts)
    assert_the_same(body, many(97, body))


@pytest.mark.parametrize("broken", ["</D:href>", "<", "&no;", "\x00", "</D:multistatus>", "]]>"])
def test_broken_xml_after_a_template_is_an_error(broken: str) -> None:
    body = listing(*[one(f"/t/{i}") for i in range(6)], one(f"/t/{broken}"), one("/t/8"))
    told, words = read(body, [], forms=8)
    assert len(told) >= 6
    assert "not well-formed" in words


def test_a_response_without_end_is_refused_after_something_learnt_too() -> None:
    responses = Responses(lambda *_: None, "/t")
    responses.feed(listing(*[one(f"/t/{i}") for i in range(4)])[: -len("</D:multistatus>")])
    with pytest.raises(ServerTrouble, match="no end"):
        for _ in range(200):
            responses.feed(b"<D:response><D:href>" + b"x" * 10_000)
