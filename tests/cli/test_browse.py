"""The command `browse` where it cannot draw, and with options that are wrong."""

import sys


def test_it_says_what_it_needs(at_box, run, monkeypatch):
    ended = at_box("browse", check=2)
    assert "draws on a terminal, and this is none (--web shows it in a web browser)" in ended.err
    assert "'70000' is no port" in at_box("browse", "--web", "--port", "70000", check=2).err
    assert "port of --web, which is missing" in at_box("browse", "--port", "80", check=2).err
    for name, value in at_box.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    monkeypatch.delitem(sys.modules, "ctadata.browse.web", raising=False)
    assert "pip install 'ctadata[browse]'" in run("browse", "--web", check=2).err
