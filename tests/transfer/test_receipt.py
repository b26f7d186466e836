"""A receipt is a file that anybody may have written: what is no line of one is words, never a fault."""

import json
from pathlib import Path

import pytest

from ctadata.errors import UsageError
from ctadata.transfer.receipt import read_receipt, unfinished
from ctadata.transfer.receipt_retry import receipt_download_targets, receipt_upload_sources

USUAL = {
    "schema": 1,
    "action": "get",
    "profile": "sandbox",
    "state": "failed",
    "path": "a",
    "local": "a",
    "digest": "",
    "etag": None,
    "error": "",
    "size": 1,
}


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        "9" * 5000,
        {"path": "\ud800"},
        {"path": "a\0b"},
        {"path": "x" * 5000},
        {"path": ["a"]},
        {"local": "\ud800"},
        {"local": "a\0b"},
        {"local": "x" * 5000},
        {"local": {}},
        {"size": float("inf")},
        {"size": float("nan")},
        {"size": -1},
        {"size": True},
        {"size": "12"},
        {"schema": 10**4000},
        {"state": "x" * 5000},
        '"text"',
        "null",
    ],
    ids=lambda line: str(line)[:30],
)
def test_nonsense(tmp_path, line):
    receipt = tmp_path / "r.jsonl"
    receipt.write_text(line if isinstance(line, str) else json.dumps({**USUAL, **line}))
    receipt.chmod(0o600)
    with pytest.raises(UsageError) as caught:
        read_receipt(receipt)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("fields", [{"etag": {"a": 1}}, {"digest": 5}, {"local": ""}, {"local": "/"}, {"path": ""}])
def test_odd_but_valid_lines_are_read(tmp_path, fields):
    receipt = tmp_path / "r.jsonl"
    receipt.write_text(json.dumps({**USUAL, **fields}))
    receipt.chmod(0o600)
    records = list(unfinished(read_receipt(receipt), "get", damaged=True))
    assert list(receipt_download_targets(records, [Path.cwd()]))
    assert list(receipt_upload_sources(records, [Path("/")]))
