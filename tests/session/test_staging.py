"""Many files, half of them on tape: staging and download overlap, and the door is never asked for a file on tape."""

from __future__ import annotations

from ctadata.sandbox import Sandbox
from ctadata.transfer.plan import Rules

FILES = 500


def test_staging_and_download_overlap(box: Sandbox, session, tmp_path):
    on_tape = set()
    for i in range(FILES):
        path = f"/lst/run/{i % 10}/{i:03}"
        box.files.put(path, b"%d" % i)
        if i % 2:
            box.tape.archive(path)
            on_tape.add(path)
    box.tape.delay = 1.5
    box.forget_seen()

    summary = session.get(["lst/run"], str(tmp_path / "out"), recursive=True, rules=Rules(stage=True))

    assert (summary.done, summary.failed) == (FILES, [])
    assert all((tmp_path / f"out/run/{i % 10}/{i:03}").read_bytes() == b"%d" % i for i in range(FILES))
    (request,) = box.tape.requests
    assert set(request.files) == on_tape
    seen = [each for each in box.seen if each.server in ("door", "frontend")]
    fetched = [each.target for each in seen if each.method == "GET" and each.target.startswith("/lst/")]
    looks = [each.at for each in seen if each.method == "GET" and each.target.startswith("/api/v1/tape/stage/")]
    before = [each.target for each in seen if each.method == "GET" and each.at < looks[0] and "/lst/" in each.target]
    assert len(fetched) == FILES
    assert set(before).isdisjoint(on_tape)
    assert before  # downloads of files on disk, while the others were being staged
