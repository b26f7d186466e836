"""The recording of a real dCache 11.2.5: its answers by the name of the exchange."""

import re
from dataclasses import replace
from pathlib import Path

from sandbox.raw_http import Answer, framing_of, parse_head

FOLDER = Path(__file__).parent / "recorded"
HEADS = re.compile(r"(?m)^(?=HTTP/1\.1 \d{3} )")


def door_answers() -> dict[str, list[Answer]]:
    """Return the exchanges at door and frontend (`wire.txt`), each with its responses in order."""
    text = (FOLDER / "wire.txt").read_text()
    sections = (section.split("\n", 1) for section in text.split("### ")[1:])
    return {name: [_answer(part) for part in HEADS.split(rest) if part.strip()] for name, rest in sections}


def _answer(text: str, separator: str = "\n\n") -> Answer:
    head, _, body = text.partition(separator)
    status, reason, headers = parse_head(head)
    return Answer(status, reason, headers, framing_of(status, headers), body.strip("\n"))


MOST = 420
"""Characters that are kept of an exchange on bare sockets."""


def pool_lines() -> dict[str, str]:
    """Return the exchanges on sockets (`wire-pool.txt`): one line each, `~` for a line break, cut off at `MOST`.

    `[timeout]` is where the recorder stopped to wait; it is no part of a response. The listing after an upload stands
    under the upload's name and ` meta`.
    """
    found, last = {}, ""
    for line in (FOLDER / "wire-pool.txt").read_text().splitlines():
        named = re.match(r"\[\s*([^\]]*)\] (.*)", line)
        if named:
            last = named[1]
            found[last] = named[2].removesuffix("[timeout]")
        else:
            kind, _, told = line.strip().partition("meta ")
            found[f"{kind.strip() or last} meta"] = told
    return found


def pool_answer(line: str) -> Answer:
    """Return the response in a line of the recording, with its chunks; those of the frontend have no headers."""
    answer = _answer(line.replace(" | ", "\n\n").replace("~", "\n"))
    return replace(answer, body="") if answer.framing == "chunked" and answer.body == "0" else answer
