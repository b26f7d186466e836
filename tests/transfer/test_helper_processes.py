"""More processes start only if this one is busy, processors are idle, and enough work is left."""

import pytest

from ctadata import resources
from ctadata.transfer.helper_processes import MeasuredDemand


@pytest.mark.parametrize(
    ("busy", "idle", "waiting", "expected"),
    [
        (0.95, 1.0, 4000, 1),
        (0.95, 63.2, 4000, 63),
        (0.95, 0.6, 4000, 1),
        (0.95, 0.3, 4000, 0),  # the server, or somebody else, has the other processors
        (0.4, 1.6, 4000, 0),  # this process waits for the server
        (0.95, 1.0, 1000, 0),  # it is done in a second
    ],
)
def test_what_is_measured_decides(
    monkeypatch: pytest.MonkeyPatch, busy: float, idle: float, waiting: int, expected: int
) -> None:
    monkeypatch.setattr(resources.BusyMeter, "measure", lambda meter: busy)
    monkeypatch.setattr(resources.IdleMeter, "measure", lambda meter: idle)
    monkeypatch.setattr(resources.BusyMeter, "elapsed", 0.5)
    assert MeasuredDemand().count(500, waiting) == expected  # 1,000 files a second
