"""What a person does with the keys of the browser, and what lies at the storage and on the disk then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from servers.moto import MotoS3

from ctadata.browse.app import Start
from ctadata.browse.command_lines import join
from ctadata.sandbox import Sandbox, faults

HOSTILE = [
    "[red]markup", "new\nline", "esc\x1b[31m", "\u202etxt.exe", "tab\there", "-rf", "quote'\"$HOME`id`",
    "ünïcode 名", "x" * 180,
]  # fmt: skip


def test_files_are_walked_copied_both_ways_and_a_kept_one_stays(drive, box: Sandbox, local: Path) -> None:
    box.files.put("/lst/walk/run1/a.h5", b"a" * 3000)
    box.files.put("/lst/walk/run1/b.h5", b"b")
    (local / "b.h5").write_bytes(b"mine")
    (local / "up").mkdir()
    (local / "up" / "c.txt").write_bytes(b"c")

    async def script(desk) -> None:
        await desk.listed(desk.right, "/lst/walk")
        await desk.cursor_on(desk.right, "run1")
        await desk.press("enter")
        await desk.listed(desk.right, "/lst/walk/run1")
        await desk.press("asterisk", "f5")
        await desk.dialog("Question")
        assert any("$ cta-data-direct get sandbox:/lst/walk/run1/a.h5" in line for line in desk.screen)
        await desk.press("right", "enter")  # keep existing
        await desk.over()
        await desk.until(lambda: "a.h5" in desk.names(desk.left))
        assert any("--no-clobber" in line for line in desk.screen)
        await desk.cursor_on(desk.left, "up")
        await desk.press("f5")
        await desk.dialog("Question")
        await desk.press("enter")
        await desk.over()
        await desk.until(lambda: "up" in desk.names(desk.right))
        await desk.press("tab", "backspace")
        await desk.listed(desk.right, "/lst/walk")
        assert desk.right.table.current.path.name == "run1"

    drive(script, "/lst/walk")
    assert (local / "a.h5").read_bytes() == b"a" * 3000
    assert (local / "b.h5").read_bytes() == b"mine"
    assert box.files.read("/lst/walk/run1/up/c.txt") == b"c"


@pytest.mark.full
def test_names_are_made_changed_and_deleted_after_a_question(drive, box: Sandbox, local: Path) -> None:
    for name in ("old.txt", "gone/deep/a", "kept"):
        box.files.put(f"/lst/change/{name}", b"12345")
    (local / "here.txt").write_bytes(b"")

    async def script(desk) -> None:
        await desk.listed(desk.right, "/lst/change")
        await desk.press("f7")
        await desk.fill("new")
        await desk.until(lambda: "new" in desk.names(desk.right))
        await desk.cursor_on(desk.right, "old.txt")
        await desk.press("f6")
        await desk.fill("renamed.txt")
        await desk.until(lambda: "renamed.txt" in desk.names(desk.right))
        await desk.cursor_on(desk.right, "renamed.txt")
        await desk.press("f6")
        await desk.fill("kept")
        await desk.until(lambda: any("the name is taken" in words for words in desk.said))
        await desk.cursor_on(desk.right, "gone")
        await desk.press("f8")
        await desk.dialog("Question")
        assert any("Delete 1 file in 2 directories, 5 B?" in line for line in desk.screen)
        await desk.press("enter")  # the focus is on Cancel
        assert box.files.exists("/lst/change/gone/deep/a")
        await desk.press("f8")
        await desk.dialog("Question")
        await desk.press("left", "enter")
        await desk.until(lambda: "gone" not in desk.names(desk.right))
        await desk.cursor_on(desk.left, "here.txt")
        await desk.press("f6")
        await desk.fill("there.txt")
        await desk.until(lambda: "there.txt" in desk.names(desk.left))

    drive(script, "/lst/change")
    assert box.files.tree("/lst/change") == ["/lst/change/kept", "/lst/change/new/", "/lst/change/renamed.txt"]
    assert box.files.read("/lst/change/kept") == b"12345"
    assert [path.name for path in local.iterdir()] == ["there.txt"]


@pytest.mark.full
def test_a_link_to_a_directory_is_marked_by_itself_named_before_it_is_followed_and_deleted_alone(
    drive, box: Sandbox, local: Path, tmp_path: Path
) -> None:
    (tmp_path / "else" / "deep").mkdir(parents=True)
    (tmp_path / "else" / "kept").write_bytes(b"12345")
    (local / "rootl").symlink_to(tmp_path / "else")
    (local / "gone").symlink_to("nowhere")
    (local / "tree").mkdir()
    (local / "tree" / "inner").symlink_to(tmp_path / "else")
    for number in range(20):
        (local / f"a{number}").write_bytes(b"a")
    box.files.mkdir("/lst/links")

    async def script(desk) -> None:
        await desk.cursor_on(desk.left, "rootl")
        await desk.listed(desk.right, "/lst/links")
        assert [line for line in desk.screen if "rootl/" in line and " link " in line and " dir " not in line]
        assert [line for line in desk.screen if "tree/" in line and " dir " in line]
        await desk.press("asterisk")
        assert {entry.path.name for entry in desk.left.table.chosen} == {
            "gone", "tree", *(f"a{number}" for number in range(20)),
        }  # fmt: skip
        await desk.press("escape", "slash", *"root*", "enter", "asterisk")
        assert not desk.left.table.marked
        await desk.press("escape", "asterisk")
        await desk.cursor_on(desk.left, "rootl")
        await desk.press("space", "f5")
        await desk.dialog("Question")
        shown = "\n".join(desk.screen)
        assert "rootl -> /" in shown
        assert "A link is followed: what it leads to is copied." in shown
        await desk.press("escape", "escape")
        await desk.cursor_on(desk.left, "tree")
        await desk.press("f8")
        await desk.dialog("Question")
        assert any("Delete 0 files in 1 directory, 0 B, and 1 link?" in line for line in desk.screen)
        await desk.press("escape")
        await desk.cursor_on(desk.left, "rootl")
        await desk.press("f8")
        await desk.dialog("Question")
        shown = "\n".join(desk.screen)
        assert "Delete 1 link?" in shown
        assert "What a link leads to stays." in shown
        assert f"$ rm {local}/rootl" in shown
        await desk.press("left", "enter")
        await desk.until(lambda: "rootl" not in desk.names(desk.left))

    drive(script, "/lst/links")
    assert not os.path.lexists(local / "rootl")
    assert (tmp_path / "else" / "kept").read_bytes() == b"12345"


@pytest.mark.full
def test_keys_without_a_pause_go_to_the_dialog_in_their_order(drive, box: Sandbox, local: Path) -> None:
    for name in ("first", "old"):
        (local / name).mkdir()
    box.files.put("/lst/fast/kept/a", b"")

    async def script(desk) -> None:
        await desk.cursor_on(desk.left, "first")
        await desk.listed(desk.right, "/lst/fast")
        await desk.burst("down", "f6", *"dx", "backspace", "enter")
        await desk.until(lambda: "oldd" in desk.names(desk.left))
        await desk.cursor_on(desk.left, "first")
        await desk.burst("enter", "f7", *"data5", "enter")
        await desk.until(lambda: (local / "data5").is_dir())
        await desk.cursor_on(desk.right, "kept")
        await desk.burst("f7", *"data5", "enter")
        await desk.until(lambda: "data5" in desk.names(desk.right))
        await desk.burst("n", *"nd", "tab", "escape")
        await desk.until(lambda: len(desk.browser.screen_stack) == 1)
        assert desk.browser.here is desk.right
        assert desk.said == []

    drive(script, "/lst/fast")
    assert sorted(path.name for path in local.iterdir()) == ["data5", "first", "oldd"]
    assert box.files.tree("/lst/fast") == ["/lst/fast/data5/", "/lst/fast/kept/", "/lst/fast/kept/a"]


@pytest.mark.full
def test_a_question_about_many_names_has_its_buttons_on_the_screen(drive, box: Sandbox, local: Path) -> None:
    for number in range(318):
        (local / f"{number:03}{'x' * (200 if number < 8 else 1)}").write_bytes(b"")
    box.files.mkdir("/lst/buttons")

    async def script(desk) -> None:
        await desk.listed(desk.right, "/lst/buttons")
        await desk.cursor_on(desk.left, "008x")
        await desk.press("asterisk", "f5")
        for key in ("f5", "f8"):
            await desk.dialog("Question")
            buttons = ("Copy", "Keep existing", "Cancel") if key == "f5" else ("Delete", "Cancel")
            assert any(all(label in line for label in buttons) for line in desk.screen), desk.screen
            assert any("... and 310 more" in line for line in desk.screen), desk.screen
            await desk.press("escape", *(["f8"] if key == "f5" else []))
        for name in desk.names(desk.left)[1:9]:
            desk.left.table.marked.discard(desk.left.path / name)
        await desk.press("f5")
        await desk.dialog("Question")
        shown = " ".join(line.strip("│ ") for line in desk.screen)
        assert "... and 302 more" in shown
        assert "/lst/buttons/  ... and 307 more" in shown, shown

    drive(script, "/lst/buttons")


@pytest.mark.full
def test_counting_ends_with_the_question_and_no_notice_lies_over_the_command_line(
    drive, box: Sandbox, local: Path
) -> None:
    box.files.put("/lst/count/tree/a", b"")
    for name in ("a", "b"):
        (local / name).write_bytes(b"")
    slow = box.faults.add("door", "PROPFIND", "/lst/count/tree/", faults.Delay())

    async def script(desk) -> None:
        await desk.listed(desk.right, "/lst/count")
        await desk.cursor_on(desk.right, "tree")
        await desk.press("f8")
        await desk.until(lambda: slow.hits)
        assert any("counting" in line for line in desk.screen)
        slow.release()
        await desk.dialog("Question")
        assert not any("counting" in line for line in desk.screen)
        await desk.press("escape")
        await desk.cursor_on(desk.left, "a")
        await desk.press("f6")
        await desk.fill("b")
        await desk.until(lambda: any("name is taken" in line for line in desk.screen))
        assert desk.screen[-2].rstrip() == f"$ mv -n {local}/a {local}/b"

    drive(script, "/lst/count")


@pytest.mark.full
def test_two_dots_are_the_local_directory_above(drive, box: Sandbox, local: Path) -> None:
    (local / "sub").mkdir()
    (local / "sub" / "a").write_bytes(b"a")
    box.files.mkdir("/lst/dots")

    async def script(desk) -> None:
        await desk.cursor_on(desk.left, "a")
        await desk.press("f7")
        await desk.fill("../made")
        await desk.until(lambda: (local / "made").is_dir())
        await desk.cursor_on(desk.left, "a")
        await desk.press("f7")
        await desk.fill("..")
        await desk.until(lambda: desk.said)
        await desk.press("f6")
        await desk.fill("..")
        await desk.until(lambda: (local / "a").exists())
        assert not any("remote" in words for words in desk.said)

    drive(script, "/lst/dots", Start(None, str(local / "sub")))
    assert sorted(path.name for path in local.iterdir()) == ["a", "made", "sub"]


@pytest.mark.full
def test_hostile_names_are_shown_and_copied_and_draw_nothing(drive, box: Sandbox, local: Path) -> None:
    for name in HOSTILE:
        (local / name).write_bytes(name.encode())

    async def script(desk) -> None:
        await desk.listed(desk.left, str(local))
        await desk.listed(desk.right, "/lst")
        shown = "\n".join(desk.screen)
        assert "[red]markup" in shown
        assert r"new\nline" in shown
        assert r"esc\x1b[31m" in shown
        assert r"\u202etxt.exe" in shown
        assert not any(c in shown for c in "\x1b\u202e\t")
        assert {len(line) for line in desk.screen} <= {79, 80}  # 名 takes two cells
        for pane in (desk.left, desk.right):
            await desk.cursor_on(pane, "[red]markup" if pane is desk.left else "..")
        await desk.press("tab", "asterisk", "slash", *"markup", "enter", "f3")
        await desk.dialog("Read")
        assert any("[red]markup" in line for line in desk.screen)
        await desk.press("escape", "escape", "asterisk", "f5")
        await desk.dialog("Question")
        await desk.press("enter")
        await desk.over()

    box.files.mkdir("/lst/hostile")
    drive(script, "/lst/hostile".removesuffix("/hostile"))
    stored = {path.rpartition("/")[2] for path in box.files.tree("/lst")}
    assert {"[red]markup", "-rf", "ünïcode 名", "\u202etxt.exe"} <= stored


def test_a_shell_reads_the_shown_words_back() -> None:
    words = [*HOSTILE, "plain", "a b", "~", "\udcff.bin", "bell\x07'"]
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {join(words)}"], capture_output=True, check=True)
    assert done.stdout.split(b"\0") == [*map(os.fsencode, words), b""]
    assert join(words).isprintable()


@pytest.mark.full
def test_errors_of_the_storage_are_shown_and_the_pane_stays(drive, box: Sandbox, settings: Path) -> None:
    box.files.put("/lst/trouble/closed/a", b"")
    box.files.put("/lst/trouble/lost/a", b"")
    box.faults.add("door", "PROPFIND", "/lst/trouble/closed/", faults.Status(403, "Permission denied"))
    hung = box.faults.add("door", "PROPFIND", "/lst/trouble/lost/", faults.NoAnswer())

    async def script(desk) -> None:
        await desk.listed(desk.right, "/lst/trouble")
        await desk.cursor_on(desk.right, "closed")
        await desk.press("enter")
        await desk.until(lambda: any("Permission denied" in words for words in desk.said))
        assert desk.names(desk.right) == ["..", "closed", "lost"]
        await desk.cursor_on(desk.right, "lost")
        await desk.press("enter")
        await desk.until(lambda: hung.hits)
        await desk.press("up", "tab", "f1")  # the screen waits for nobody
        await desk.dialog("Read")
        await desk.press("escape", "tab", "escape")
        await desk.until(lambda: desk.right.words == "stopped")
        hung.remove()
        await desk.cursor_on(desk.right, "lost")
        await desk.press("enter")
        await desk.listed(desk.right, "/lst/trouble/lost")
        assert desk.names(desk.right) == ["..", "a"]
        for token in settings.parent.glob("state/ctadata/**/*"):
            if token.is_file():
                token.unlink()
        await desk.press("f9")
        chooser = await desk.dialog("Choose")
        await desk.press(*["down"] * (chooser.query_one("OptionList").option_count - 2), "enter")
        await desk.until(lambda: any("start-agent" in words for words in desk.said))

    drive(script, "/lst/trouble")


@pytest.mark.full
def test_a_transfer_is_stopped_in_its_middle_and_leaves_no_file(drive, box: Sandbox, local: Path) -> None:
    box.files.put("/lst/stop/large.bin", bytes(300_000))
    stalled = box.faults.add("pool", "GET", "/lst/stop/large.bin", faults.Stall(after=100_000))

    async def script(desk) -> None:
        await desk.listed(desk.right, "/lst/stop")
        await desk.cursor_on(desk.right, "large.bin")
        await desk.press("f5")
        await desk.dialog("Question")
        await desk.press("enter")
        await desk.until(lambda: any("97." in line and "large.bin" in line for line in desk.screen))
        await desk.press("f10")
        await desk.dialog("Question")
        assert any("A transfer is not over" in line for line in desk.screen)
        await desk.press("escape", "x")
        await desk.dialog("Choose")
        await desk.press("enter")
        await desk.over()
        assert any("stopped" in line for line in desk.screen)
        stalled.remove()

    drive(script, "/lst/stop")
    assert not (local / "large.bin").exists()


@pytest.mark.full
def test_ten_thousand_entries_are_shown_sorted_and_filtered(drive, box: Sandbox) -> None:
    for number in range(10_000):
        box.files.put(f"/lst/many/{number:05}.h5", b"x" * (number % 7))

    async def script(desk) -> None:
        await desk.listed(desk.right, "/lst/many")
        assert len(desk.right.table.rows) == 10_001
        await desk.press("end")
        assert desk.right.table.current.path.name == "09999.h5"
        assert any("09999.h5" in line for line in desk.screen)
        await desk.press("slash", *"*77.h5", "down")
        assert len(desk.right.table.rows) == 101

    drive(script, "/lst/many")


@pytest.mark.full
def test_the_shown_lines_do_the_same_in_a_shell(drive, box: Sandbox, local: Path, tmp_path: Path) -> None:
    for name in ("a [1].txt", "b*", "tree/x"):
        box.files.put(f"/lst/lines/{name}", name.encode())
    lines: list[str] = []

    async def script(desk) -> None:
        await desk.listed(desk.right, "/lst/lines")
        await desk.press("asterisk", "f5")
        await desk.dialog("Question")
        await desk.press("enter")
        await desk.over()
        lines.append(desk.browser.transfers.jobs[0].line)

    drive(script, "/lst/lines")
    copied = {path.relative_to(local) for path in local.rglob("*")}
    again = tmp_path / "again"
    again.mkdir()
    program = join([sys.executable, "-m", "ctadata"])
    line = lines[0].replace("cta-data-direct", program, 1).replace(str(local), str(again))
    subprocess.run(["bash", "-c", line], check=True)
    assert {path.relative_to(again) for path in again.rglob("*")} == copied
    assert len(copied) == 4


@pytest.mark.full
def test_files_are_copied_between_two_profiles(drive, box: Sandbox) -> None:
    box.files.put("/lst/two/a.h5", b"both")
    box.files.mkdir("/lst/other")

    async def script(desk) -> None:
        await desk.listed(desk.left, "/lst/two")
        await desk.listed(desk.right, "/lst/other")
        await desk.cursor_on(desk.left, "a.h5")
        await desk.press("f5")
        await desk.dialog("Question")
        assert any("copy sandbox:/lst/two/a.h5 other:/lst/other/" in line for line in desk.screen)
        await desk.press("enter")
        await desk.over()
        assert [str(job.state) for job in desk.browser.transfers.jobs] == ["done"], desk.said

    drive(script, "/lst/other", Start("sandbox", "/lst/two"), (120, 30), "other")
    assert box.files.read("/lst/other/a.h5") == b"both"


@pytest.mark.full
def test_details_a_link_and_a_recall_from_tape(drive, box: Sandbox) -> None:
    box.files.put("/lst/more/on-tape.h5", b"cold")
    box.tape.archive("/lst/more/on-tape.h5")

    async def script(desk) -> None:
        await desk.listed(desk.right, "/lst/more")
        await desk.cursor_on(desk.right, "on-tape.h5")
        await desk.press("f3")
        await desk.dialog("Read")
        shown = "\n".join(desk.screen)
        assert all(words in shown for words in ("adler32", "NEARLINE", "4 (4 B)", "stat sandbox:/lst/more/on-tape.h5"))
        await desk.press("escape", "s")
        await desk.dialog("Question")
        await desk.press("enter")
        link = await desk.dialog("Read")
        assert "authz=" in str(link.query("Static")[1].content)
        assert "█" in "\n".join(desk.screen)
        await desk.press("escape", "t")
        await desk.dialog("Read")
        assert any("stage-status" in line for line in desk.screen)
        await desk.press("escape")

    drive(script, "/lst/more", None, (200, 80))
    assert [str(path) for path in box.tape.requests] != []


def test_a_file_that_may_be_on_tape_is_not_said_to_be_on_disk(drive, box: Sandbox) -> None:
    box.files.put("/lst/unsaid/a.h5", b"cold")
    box.files.entry("/lst/unsaid/a.h5").locality = ""

    async def script(desk) -> None:
        await desk.listed(desk.right, "/lst/unsaid")
        await desk.cursor_on(desk.right, "a.h5")
        await desk.press("t")
        await desk.until(lambda: any("does not say whether it is on tape" in words for words in desk.said))

    drive(script, "/lst/unsaid", None, (200, 80))


@pytest.mark.full
def test_an_s3_store_gets_files_from_a_door_through_this_machine(
    drive, box: Sandbox, settings: Path, moto_s3: MotoS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = moto_s3.bucket()
    with settings.open("a") as file:
        file.write(f'\n[profiles.store]\nkind = "s3"\nendpoint = "{moto_s3.url}"\nregion = "{moto_s3.region}"\n')
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto_s3.key.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto_s3.key.secret)
    box.files.put("/lst/s3/run1/a.h5", b"to a bucket")

    async def script(desk) -> None:
        await desk.listed(desk.left, "/lst/s3")
        await desk.listed(desk.right, f"/{bucket}")
        await desk.cursor_on(desk.left, "run1")
        await desk.press("f5")
        await desk.dialog("Question")
        assert any("copy -r --through sandbox:/lst/s3/run1" in line for line in desk.screen)
        await desk.press("enter")
        await desk.over()
        await desk.until(lambda: "run1" in desk.names(desk.right))

    drive(script, f"/{bucket}", Start("sandbox", "/lst/s3"), (120, 30), "store")
    assert moto_s3.client().get_object(Bucket=bucket, Key="run1/a.h5")["Body"].read() == b"to a bucket"


@pytest.mark.full
def test_it_ends_while_a_server_does_not_answer(drive, box: Sandbox) -> None:
    box.files.put("/lst/silent/a", b"")
    hung = box.faults.add("door", "PROPFIND", "/lst/silent/", faults.NoAnswer())

    async def script(desk) -> None:
        await desk.until(lambda: hung.hits)
        await desk.press("f10")

    drive(script, "/lst/silent")
    assert hung.hits == 1  # nobody has waited until the request was repeated
    hung.remove()
