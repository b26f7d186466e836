"""The benchmark's machinery: figures, rows, the proxy, one whole command line. No time is asserted but the proxy's."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bench import counted, far, figures, measure, setting, table, trees
from bench.figures import Target

ROOT = Path(__file__).parents[2]


def test_the_ratio_is_the_median_of_the_rounds_ratios_not_the_ratio_of_the_medians() -> None:
    row = figures.compare("w", "p", "s", [(1.0, 10.0), (2.0, 22.0), (4.0, 36.0)], Target(9.5))
    assert (row.ours, row.theirs, row.ratio, row.rounds) == (2.0, 22.0, 10.0, 3)
    assert row.met is True
    assert row.spread == pytest.approx(0.2)


def test_where_rounds_spread_widely_the_upper_quartile_is_judged() -> None:
    ratios = [(1.0, r) for r in (1.0, 2.0, 3.0, 4.0, 5.0)]  # median 3, upper quartile 4
    assert figures.compare("w", "p", "s", ratios, Target(4.0)).met is True
    assert figures.compare("w", "p", "s", ratios, Target(4.01)).met is False
    assert figures.compare("w", "p", "s", ratios, Target(4.0)).ratio == 3.0


def test_where_rounds_agree_the_median_is_judged() -> None:
    ratios = [(1.0, r) for r in (2.9, 3.0, 3.1)]
    assert figures.compare("w", "p", "s", ratios, Target(3.05)).met is False
    assert figures.compare("w", "p", "s", ratios, Target(3.0)).met is True


def test_an_upper_bound_takes_ours_over_theirs_and_the_lower_quartile() -> None:
    pairs = [(1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (4.0, 1.0), (5.0, 1.0)]
    row = figures.compare("w", "p", "s", pairs, Target(2.0, most=True))
    assert (row.ratio, row.met) == (3.0, True)
    assert figures.compare("w", "p", "s", pairs, Target(1.99, most=True)).met is False


def test_a_rate_is_the_better_the_larger() -> None:
    assert figures.compare("w", "p", "files/s", [(400.0, 800.0)], Target(0.5), rate=True).ratio == 0.5


def test_a_figure_with_its_own_bound() -> None:
    row = figures.alone("w", "MB", [50.0, 52.0, 51.0], Target(51, most=True))
    assert (row.ours, row.theirs, row.ratio, row.met) == (51.0, None, None, True)
    assert figures.alone("w", "MB", [50.0, 52.0, 51.0], Target(50, most=True)).met is False


def test_a_row_without_target_is_neither_met_nor_missed() -> None:
    assert figures.compare("w", "p", "s", [(1.0, 2.0)], None).met is None


def test_a_row_as_json_has_the_promised_keys_and_the_table_names_a_missing_peer() -> None:
    rows = [
        figures.compare("work a", "curl", "s", [(1.0, 2.0)], Target(1.0)),
        figures.missing("work b", "aria2", "s", Target(1.0), "aria2c is not installed"),
    ]
    first, second = (json.loads(table.as_json(row)) for row in rows)
    assert {"work", "peer", "ours", "theirs", "ratio", "target", "met"} <= first.keys() == second.keys()
    assert (first["ratio"], first["target"], first["met"]) == (2.0, 1.0, True)
    assert (second["ours"], second["met"]) == (None, None)
    text = table.as_table(rows, {"curl": "curl 7"})
    assert "aria2c is not installed: work b (aria2)" in text
    assert text.endswith("curl: curl 7")


def test_a_command_is_measured_whole(tmp_path: Path) -> None:
    script = "import time; b = bytearray(60_000_000); t = time.thread_time()\nwhile time.thread_time() - t < 0.2: pass"
    took = measure.run([sys.executable, "-c", script], tmp_path, {})
    assert took.code == 0
    assert took.cpu >= 0.2
    assert took.seconds >= 0.2
    assert 60 <= took.memory < 200


def test_the_lines_of_a_command_are_counted_and_its_failure_is_told(tmp_path: Path) -> None:
    took = measure.run(["sh", "-c", "echo a; echo b; echo why >&2; exit 3"], tmp_path, {}, counted=True)
    assert (took.code, took.lines) == (3, 2)
    assert 0 <= took.first <= took.seconds
    assert measure.words(tmp_path) == "why"


def test_a_command_says_with_its_first_line_what_its_imports_took(tmp_path: Path) -> None:
    took = measure.run(["sh", "-c", "echo ready 0.25; echo 7"], tmp_path, {}, counted=True)
    assert (took.first_cpu, took.lines) == (0.25, 2)
    assert measure.run(["echo", "ready"], tmp_path, {}, counted=True).first_cpu == -1


def test_a_client_that_did_not_do_the_work_is_out(tmp_path: Path) -> None:
    at = setting.Setting(None, tmp_path, tmp_path, setting.QUICK, Path(), Path(), Path(), lambda _: None)  # type: ignore[arg-type]
    made = tmp_path / "made"
    clients: dict[str, setting.Client | setting.Missing] = {
        "good": setting.Client(["sh", "-c", f"echo x >{made}"], made, (1, 2)),
        "lazy": setting.Client(["true"], made, (1, 2)),
        "broken": setting.Client(["sh", "-c", "echo no >&2; exit 4"], made),
        "absent": setting.Missing("it is not installed"),
    }
    results = at.rounds(clients, 3)
    assert isinstance(results["good"], list)
    assert len(results["good"]) == 3
    assert results["lazy"] == setting.Missing("it made (0, 0) instead of (1, 2) (files, bytes)")
    assert results["broken"] == setting.Missing("it ended with 4: no")
    assert results["absent"] == setting.Missing("it is not installed")
    assert not made.exists()


def test_the_time_of_a_client_that_does_a_share_is_that_of_the_whole(tmp_path: Path) -> None:
    at = setting.Setting(None, tmp_path, tmp_path, setting.QUICK, Path(), Path(), Path(), lambda _: None)  # type: ignore[arg-type]
    script = "import time\nwhile time.thread_time() < 0.1: pass"
    took = at.rounds({"a tenth": setting.Client([sys.executable, "-c", script], share=0.1)}, 1)["a tenth"]
    assert isinstance(took, list)
    assert took[0].cpu >= 1.0
    assert took[0].seconds >= 1.0


def test_the_start_of_our_program_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counted, "STARTS", 1)
    ours = Path(sys.executable).with_name("cta-data-direct")
    at = setting.Setting(None, tmp_path, tmp_path, setting.QUICK, ours, Path(), Path(), lambda _: None)  # type: ignore[arg-type]
    rows = list(counted.starts(at))
    assert [row.work.split()[2] for row in rows] == ["list", "get", "put"]
    assert all(row.ours and row.ours > 1 for row in rows)


def test_a_tree_has_what_was_asked_for(tmp_path: Path) -> None:
    trees.make_tree(tmp_path / "few", 5, 50, 100)
    trees.make_tree(tmp_path / "many", 120, 240, 0)
    assert trees.census(tmp_path / "few") == (50, 5000)
    assert trees.census(tmp_path / "many") == (240, 0)
    assert len(trees.names(tmp_path / "many")) == 240


def test_the_proxy_delays_each_direction_and_passes_every_byte(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_echo, args=(server,), daemon=True).start()
        note = tmp_path / "note"
        with (
            far.far(server.getsockname()[1], 200, note=note) as port,
            socket.create_connection(("127.0.0.1", port)) as s,
        ):
            assert _ask(s, b"x") >= 0.4  # the handshake, too, goes there and back
            assert _ask(s, b"x") >= 0.2
            assert not note.exists()
            _ask(s, os.urandom(3_000_000))
            assert float(note.read_text()) <= time.monotonic()


def test_the_proxy_holds_a_connection_to_a_window_per_round_trip() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_echo, args=(server,), daemon=True).start()
        with (
            far.far(server.getsockname()[1], 100, window=50_000) as port,
            socket.create_connection(("127.0.0.1", port)) as s,
        ):
            assert _ask(s, bytes(250_000)) >= 0.4  # five windows


def _ask(connection: socket.socket, what: bytes) -> float:
    """Seconds until all of it has come back."""
    began, got = time.monotonic(), bytearray()
    threading.Thread(target=connection.sendall, args=(what,), daemon=True).start()
    while len(got) < len(what):
        got += connection.recv(1 << 16)
    assert bytes(got) == what
    return time.monotonic() - began


def _echo(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        while block := connection.recv(1 << 16):
            connection.sendall(block)


@pytest.mark.full
@pytest.mark.parametrize(
    ("work", "peers"),
    [
        ("crowd", {"davix-ls", "rclone", "rclone, newest", "webdav4"}),
        ("open", {"-", "dcachefs", "http", "libcurl", "s3fs", "webdav4"}),
    ],
)
def test_a_whole_run_on_little_work_gives_rows_and_tells_of_peers_that_are_absent(work: str, peers: set[str]) -> None:
    command = [sys.executable, "-m", "bench", "--quick", "--json", "--rounds", "1", "--only", work]
    places = ["--memory", "/tmp", "--disk", "/tmp", "--peers", "/no/such/python"]
    done = subprocess.run([*command, *places], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["peer"] for row in rows} == peers, done.stderr
    absent = [row for row in rows if row["peer"] == "webdav4"]
    assert "not installed" in absent[0]["note"]
    assert not [row for row in rows if row["note"].startswith("ours")]
    assert done.returncode == 1
