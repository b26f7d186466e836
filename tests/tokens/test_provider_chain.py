"""Where a token comes from: the order, what is ignored and reported, and how it is read again."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, LocalError, LoginNeeded
from ctadata.tokens.files import write_private
from ctadata.tokens.login_store import save_token
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.provider_chain import TokenProvider
from ctadata.tokens.token import Token

ISSUER = "https://issuer/realms/cta"
SITE = Profile(
    name="site", door="https://door", issuer=ISSUER + "/", client_id="me", accept_issuers=("https://friend",)
)


class Place:
    """A machine with all the places of a token; `put` fills one."""

    def __init__(self, folder, clock):
        self.clock = clock
        self.env = {"XDG_RUNTIME_DIR": str(folder / "run")}
        self.temporary = folder / "tmp"
        self.explicit, self.named = folder / "explicit", folder / "named"
        self.files = ProfileFiles.of("site")
        self.files.prepare()
        name = f"bt_u{os.geteuid()}"
        self.shared = {"runtime": folder / "run" / name, "tmp": self.temporary / name}
        for path in self.shared.values():
            path.parent.mkdir()
        self.said = []

    def put(self, place, text):
        if place == "BEARER_TOKEN":
            self.env[place] = text
        elif place == "agent":
            save_token(self.files, SITE, Token.parse(text))
        else:
            write_private({"explicit": self.explicit, "BEARER_TOKEN_FILE": self.named, **self.shared}[place], text)
            self.env |= {"BEARER_TOKEN_FILE": str(self.named)} if place == "BEARER_TOKEN_FILE" else {}

    def sources(self, profile=SITE, **more):
        explicit = self.explicit if self.explicit.exists() else None
        settings = {"explicit": explicit, "env": self.env, "temporary": self.temporary, "warn": self.said.append}
        return TokenProvider(profile, **{**settings, "now": self.clock.now, **more})


@pytest.fixture
def place(tmp_path, clock):
    return Place(tmp_path, clock)


@pytest.fixture
def good(jwt, clock):
    """`good("a")`: a token that may be sent, marked so that tests can tell it from others."""
    return lambda mark="a", **claims: jwt(
        **{"iss": ISSUER, "sub": "ada", "exp": clock.time + 3600, "jti": mark, **claims}
    )


ORDER = ["explicit", "BEARER_TOKEN", "BEARER_TOKEN_FILE", "agent", "runtime", "tmp"]


@pytest.mark.parametrize("first", range(len(ORDER)))
def test_sources_are_used_in_their_order(place, good, first):
    for name in ORDER[first:]:
        place.put(name, good(name))
    sources = place.sources()
    assert sources.bearer() == good(ORDER[first])
    assert place.said == []


ORIGINS = {
    "explicit": "explicit",
    "BEARER_TOKEN": "BEARER_TOKEN",
    "BEARER_TOKEN_FILE": "BEARER_TOKEN_FILE (",
    "agent": "the agent of profile site",
    "runtime": "run/bt_u",
    "tmp": "tmp/bt_u",
}


@pytest.mark.parametrize("name", ORDER)
def test_the_origin_in_words(place, good, name):
    place.put(name, good())
    sources = place.sources()
    assert sources.origin == ""
    sources.bearer()
    assert ORIGINS[name] in sources.origin
    assert sources.token.reveal() == good()
    assert good() not in sources.origin


def test_a_named_profile_uses_only_its_own_sources(place, good):
    for name in ORDER:
        place.put(name, good(name))
    assert place.sources(only_profile=True).bearer() == good("explicit")
    place.explicit.unlink()
    assert place.sources(only_profile=True).bearer() == good("agent")
    place.files.token.unlink()
    with pytest.raises(LoginNeeded):
        place.sources(only_profile=True).bearer()


OUTSIDE = ["BEARER_TOKEN", "BEARER_TOKEN_FILE", "runtime", "tmp"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"exp": 1_799_999_400}, "expired 10 minutes ago"),
        ({"iss": "https://stranger"}, "https://stranger"),
        ({"iss": "https://evil\x1b[2J"}, "https://evil"),
    ],
)
def test_an_outside_token_that_will_not_do_is_ignored(place, good, name, claims, words):
    place.put(name, good(**claims))
    sources = place.sources()
    for _ in range(3):
        with pytest.raises(LoginNeeded, match="cta-data-direct start-agent -P site") as caught:
            sources.bearer()
        assert caught.value.exit_code == 4
    (warning,) = place.said
    assert ORIGINS[name] in warning
    assert words in warning
    assert "; ignored" in warning
    assert "\x1b" not in warning
    assert good(**claims) not in warning


def test_the_next_usable_source_is_taken(place, good):
    place.put("BEARER_TOKEN", good(exp=1))
    place.put("BEARER_TOKEN_FILE", good(iss="https://stranger"))
    place.put("tmp", good("tmp"))
    sources = place.sources()
    assert sources.bearer() == good("tmp")
    assert sources.bearer() == good("tmp")
    assert len(place.said) == 2


@pytest.mark.parametrize("issuer", [ISSUER, ISSUER + "/", "https://friend", "https://friend/"])
def test_accepted_issuers(place, good, issuer):
    place.put("BEARER_TOKEN", good(iss=issuer))
    assert place.sources().bearer() == good(iss=issuer)


def test_an_opaque_token_is_sent(place):
    place.put("BEARER_TOKEN", "opaque")
    assert place.sources().bearer() == "opaque"


def test_a_broken_outside_token_is_ignored_and_not_shown(place):
    place.put("BEARER_TOKEN", "se cret\r\nX: y")
    with pytest.raises(LoginNeeded):
        place.sources().bearer()
    assert "BEARER_TOKEN: the token holds spaces" in place.said[0]
    assert "cret" not in place.said[0]


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_file_is_no_source(place, good, text):
    place.env |= {"BEARER_TOKEN": text, "BEARER_TOKEN_FILE": text}
    place.shared["runtime"].write_text(text)
    place.put("tmp", good())
    assert place.sources().bearer() == good()
    assert place.said == []


@pytest.mark.parametrize("how", ["foreign", "writable", "symlink"])
@pytest.mark.parametrize("name", ["runtime", "tmp"])
def test_another_users_file_is_ignored(place, good, make_foreign, how, name):
    path = place.shared[name]
    place.put(name, good())
    if how == "foreign":
        make_foreign(path)
        if (
            not path.exists() or path.name != f"bt_u{os.geteuid()}"
        ):  # this process is another user now, whose name the file has
            path.rename(path.with_name(f"bt_u{os.geteuid()}"))
    elif how == "writable":
        path.chmod(0o666)
    else:
        path.rename(place.explicit.with_name("real"))
        path.symlink_to(place.explicit.with_name("real"))
    with pytest.raises(LoginNeeded):
        place.sources(only_profile=False).bearer()
    assert ORIGINS[name] in place.said[0]
    assert place.said[0].count(path.name) <= (2 if how == "writable" else 1), "once, and once more in what to do"


def test_a_missing_named_file_is_reported(place, good):
    place.env["BEARER_TOKEN_FILE"] = str(place.named)
    place.put("runtime", good())
    assert place.sources().bearer() == good()
    assert place.said == [f"BEARER_TOKEN_FILE ({place.named}): the file does not exist; ignored"]


def test_a_named_symlink_is_followed(place, good):
    place.put("runtime", good())
    place.named.symlink_to(place.shared["runtime"])
    place.env["BEARER_TOKEN_FILE"] = str(place.named)
    sources = place.sources()
    assert sources.bearer() == good()
    assert "BEARER_TOKEN_FILE" in sources.origin


class TestAnExplicitFileIsNeverReplaced:
    def test_missing(self, place, good):
        place.put("agent", good())
        with pytest.raises(LocalError, match="token file does not exist"):
            place.sources(explicit=place.explicit).bearer()

    def test_broken(self, place, good):
        place.put("agent", good())
        place.put("explicit", "two words")
        with pytest.raises(ConfigError):
            place.sources().bearer()

    @pytest.mark.parametrize("claims", [{"exp": 1}, {"iss": "https://stranger"}])
    def test_unfit(self, place, good, claims):
        place.put("agent", good())
        place.put("explicit", good(**claims))
        with pytest.raises(LoginNeeded, match=str(place.explicit)):
            place.sources().bearer()


def test_the_agents_expired_token_is_in_the_error_and_no_warning(place, good):
    place.put("agent", good(exp=1_799_999_900))
    with pytest.raises(LoginNeeded, match="the agent of profile site: the token expired 100 seconds ago"):
        place.sources().bearer()
    assert place.said == []


def test_the_agents_token_may_name_any_issuer(place, good):
    """It came from the profile's issuer, whatever name the issuer writes into its tokens."""
    place.put("agent", good(iss="https://sts.elsewhere"))
    assert place.sources().bearer() == good(iss="https://sts.elsewhere")


def test_an_agents_file_that_others_can_read_is_reported(place, good):
    place.put("agent", good())
    place.files.token.chmod(0o644)
    with pytest.raises(LoginNeeded, match=r"others can read.*chmod 600"):
        place.sources().bearer()


def test_a_profile_without_issuer_needs_no_token(place, good):
    open_site = Profile(name="open", door="https://door")
    assert place.sources(open_site).bearer() is None
    assert place.sources(open_site).token is None
    place.put("BEARER_TOKEN", "opaque")
    assert place.sources(open_site).bearer() == "opaque"
    place.put("BEARER_TOKEN", good())
    with pytest.raises(LoginNeeded):
        place.sources(open_site).bearer()


class TestReadingAgain:
    def test_a_changed_file(self, place, good):
        place.put("agent", good("old"))
        sources = place.sources()
        assert sources.bearer() == good("old")
        place.put("agent", good("new"))
        assert sources.bearer() == good("new")

    def test_the_file_is_checked_once_a_second(self, place, good, clock):
        old, new, newer = (good(which) for which in ("old", "new", "newer"))
        place.put("agent", old)
        sources = place.sources()
        assert [sources.bearer() for _ in range(3)] == [old] * 3
        place.put("agent", new)
        assert sources.bearer() == old
        assert sources.renew(old) == new  # after a refusal the file is read at once
        assert sources.bearer() == new
        place.put("agent", newer)
        assert sources.bearer() == new
        clock.time += 1
        assert sources.bearer() == newer

    def test_a_clock_that_is_set_back_does_not_keep_a_token(self, place, good, clock):
        old, new = good("old"), good("new")
        place.put("agent", old)
        sources = place.sources()
        assert [sources.bearer() for _ in range(2)] == [old] * 2
        place.put("agent", new)
        clock.time -= 500
        assert sources.bearer() == new

    def test_an_unchanged_file_is_not_read(self, place, good, monkeypatch):
        place.put("agent", good())
        sources = place.sources()
        sources.bearer()
        monkeypatch.setattr(os, "open", lambda *args, **more: pytest.fail("read again"))
        assert [sources.bearer() for _ in range(3)] == [good()] * 3

    def test_another_token_is_taken_near_the_end(self, place, good, clock):
        end = clock.time + 100
        place.put("BEARER_TOKEN", good(exp=end))
        place.put("agent", good("agent"))
        sources = place.sources()
        clock.time += 99
        assert sources.bearer() == good(exp=end)  # until its end
        clock.time += 1
        assert sources.bearer() == good("agent", exp=clock.time + 3500)
        assert place.said == ["BEARER_TOKEN: the token expired 0 seconds ago; ignored"]

    def test_a_run_keeps_its_user(self, place, good, clock):
        place.put("BEARER_TOKEN", good(exp=clock.time + 100))
        place.put("agent", good(sub="grace"))
        sources = place.sources()
        sources.bearer()
        clock.time += 100
        with pytest.raises(LoginNeeded, match="another user"):
            sources.bearer()

    def test_a_deleted_file_leads_to_the_next_source(self, place, good):
        place.put("runtime", good("runtime"))
        place.put("tmp", good("tmp"))
        sources = place.sources()
        assert sources.bearer() == good("runtime")
        place.shared["runtime"].unlink()
        assert sources.bearer() == good("tmp")


class TestRenew:
    def test_another_token_in_the_same_file(self, place, good):
        place.put("agent", good("old"))
        sources = place.sources()
        old = sources.bearer()
        assert sources.renew(old) is None
        place.put("agent", good("new"))
        assert sources.renew(old) == good("new")
        assert sources.bearer() == good("new")

    def test_another_source(self, place, good):
        place.put("BEARER_TOKEN", good("refused"))
        place.put("agent", good("agent"))
        sources = place.sources()
        assert sources.renew(sources.bearer()) == good("agent")

    def test_no_other_token(self, place):
        place.put("BEARER_TOKEN", "refused")
        assert place.sources().renew("refused") is None

    def test_many_threads_read_the_file_once(self, place, good, monkeypatch):
        place.put("agent", good("old"))
        sources = place.sources()
        old = sources.bearer()
        place.put("agent", good("new"))
        reads, real = [], os.open
        monkeypatch.setattr(os, "open", lambda path, *args, **more: reads.append(path) or real(path, *args, **more))
        barrier = threading.Barrier(8)

        def refused(_):
            barrier.wait(60)
            return sources.renew(old)

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(refused, range(8))) == {good("new")}
        assert reads.count(place.files.token) == 1
