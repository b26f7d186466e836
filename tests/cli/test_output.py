"""Small words of output."""

import pytest

from ctadata.cli.output import rfc3339


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, None),
        (0, "1970-01-01T00:00:00Z"),
        (1_700_000_000.9, "2023-11-14T22:13:20Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (253402300799, "9999-12-31T23:59:59Z"),
        (253402300800, None),
        (1e18, None),
        (float("inf"), None),
        (float("nan"), None),
    ],
)
def test_times(seconds, text):
    assert rfc3339(seconds) == text
