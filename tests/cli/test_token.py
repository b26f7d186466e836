"""`token inspect`: it explains the right token and never shows its text."""

from __future__ import annotations

import base64
import json


def signature(text: str) -> str:
    return text.rpartition(".")[2]


class TestInspect:
    def test_inspect_explains_the_token_in_use(self, at_box, box, refusals):
        asked = len(box.seen)
        ended = at_box("token", "inspect", check=0)
        facts = dict(line.split(maxsplit=1) for line in ended.out.splitlines())
        assert facts["issuer"] == box.issuer
        assert facts["expires"].endswith("from now")
        assert signature(at_box.env["BEARER_TOKEN"]) not in ended.out + ended.err
        assert len(box.seen) == asked
        assert not refusals()

    def test_for_programs(self, at_box, box):
        fields = json.loads(at_box("token", "inspect", "--json", check=0).out)
        assert (fields["schema"], fields["kind"], fields["claims"]["iss"]) == (1, "jwt", box.issuer)

    def test_inspect_reads_a_file_or_a_pipe(self, cli, box):
        (cli.cwd / "token").write_text(box.token(user="grace") + "\n")
        from_file = cli("token", "inspect", "token", check=0).out
        assert "grace" in from_file
        assert (
            cli("token", "inspect", "-", stdin=box.token(user="grace").encode(), check=0)
            .out.splitlines()[0]
            .startswith("kind")
        )

    def test_claims_with_control_characters_are_escaped(self, cli):
        payload = base64.urlsafe_b64encode(json.dumps({"iss": "a\x1b[2Jb"}).encode()).decode().rstrip("=")
        (cli.cwd / "token").write_text(f"e30.{payload}.c2ln")
        terminal = cli.terminal("token", "inspect", "token")
        assert terminal.end() == 0
        assert "\x1b[2J" not in terminal.raw

    def test_claims_with_newlines_stay_on_one_line(self, cli):
        claims = {"iss": "a\nexpires         never\r", "odd\x07": "\u202eb"}
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        lines = cli("token", "inspect", "-", stdin=f"e30.{payload}.c2ln".encode(), check=0).out.splitlines()
        assert sum(line.startswith("expires ") for line in lines) == 1
        assert all(line.isprintable() for line in lines)

    def test_a_token_in_the_arguments_is_refused_and_not_shown(self, cli, box):
        token = box.token(user="ada")
        ended = cli("token", "inspect", token, check=2)
        assert "pipe the token in" in ended.err
        assert token not in ended.err

    def test_no_such_file(self, cli):
        assert cli("token", "inspect", "none", check=2).err == "cta-data-direct: none: no such file or directory\n"

    def test_no_token(self, cli):
        (cli.cwd / "bytes").write_bytes(b"\xff\xfe")
        assert cli("token", "inspect", "bytes", check=2).err.count("\n") == 1

    def test_a_missing_action(self, cli):
        assert cli("token", check=2).err == (
            "cta-data-direct: token: a command is missing: inspect (see cta-data-direct token --help)\n"
        )
