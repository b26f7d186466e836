"""Amounts in words."""

import pytest

from ctadata.progress import units


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1024 * 1000 - 1, "1.0 MiB"),
        (5 * 1024**3, "5.0 GiB"),
        (2000 * 1024**5, "2000.0 PiB"),
    ],
)
def test_size(count, words):
    assert units.size(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1:00 min"), (187, "3:07 min"), (7500, "2:05 h"), (float("inf"), "?")],
)
def test_duration(seconds, words):
    assert units.duration(seconds) == words


def test_one_file_is_not_files():
    assert units.files(1) == "1 file"
    assert units.files(0) == "0 files"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1024", 1024),
        ("500K", 500 * 1024),
        ("10M", 10 * 1024**2),
        ("10m", 10 * 1024**2),
        ("10MiB", 10 * 1024**2),
        ("10 MB/s", 10 * 1024**2),
        ("1.5G", 1.5 * 1024**3),
        ("2T", 2 * 1024**4),
        ("2048B", 2048),
    ],
)
def test_bytes_as_people_write_them(text, count):
    assert units.read_size(text) == count


@pytest.mark.parametrize("text", ["", "M", "10X", "-1M", "1e9", "10 M M", "nan", "٣M", "0", "1023", "10M\n1", "9" * 99])
def test_text_that_is_no_number_of_bytes_is_refused(text):
    with pytest.raises(ValueError, match=r"no number of bytes|less than 1K"):
        units.read_size(text)
