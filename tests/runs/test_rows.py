"""Rows that are written stay written, whole or not at all, whenever the process dies."""

import os
import pathlib
import random
import signal
import subprocess
import sys

import pytest

from runs._rows import merged, opened, read


ROOT = pathlib.Path(__file__).parents[2]


def test_a_row_that_was_cut_off_is_written_again(tmp_path):
    rows = [{"hash": f"{i}", "value": 0.1 * i, "text": "ä\n"} for i in range(4)]
    whole = tmp_path / "whole.jsonl"
    with opened(whole) as file:
        for row in rows:
            file.append(row)
    content = whole.read_bytes()
    assert read(whole) == rows
    for cut in range(len(content) + 1):
        file = tmp_path / "cut.jsonl"
        file.write_bytes(content[:cut])
        kept = read(file)
        assert kept == rows[: len(kept)] and len(kept) == content[:cut].count(b"\n")
        with opened(file) as appended:
            done = {row["hash"] for row in read(file)}
            for row in rows:
                if row["hash"] not in done:
                    appended.append(row)
        assert file.read_bytes() == content


def test_a_file_has_one_writer_and_damage_is_named(tmp_path):
    file = tmp_path / "results.jsonl"
    with opened(file) as rows:
        rows.append({"hash": "a"})
        with pytest.raises(ValueError, match="is being written by another process"), opened(file):
            pass
    file.write_bytes(b'{"hash": "a"}\nnonsense\n{"hash": "b"}\n')
    with pytest.raises(ValueError, match="Line 2 of .*results.jsonl is not JSON"):
        merged(tmp_path, "results")


@pytest.mark.parametrize("happens", ["moved", "deleted", "replaced", "its folder moved"])
def test_a_file_that_goes_away_is_noticed(tmp_path, happens):
    """A descriptor still takes rows then, which no later process would find."""
    file, elsewhere = tmp_path / "results" / "results.jsonl", tmp_path / "elsewhere"
    with opened(file) as rows:
        rows.append({"hash": "a"})
        if happens == "deleted":
            file.unlink()
        elif happens == "its folder moved":
            file.parent.rename(elsewhere)
        else:
            file.rename(elsewhere)
        if happens == "replaced":
            file.write_text("")
        word = "is lost with it" if happens == "deleted" else "went with it to where it is now"
        with pytest.raises(OSError, match=f"results.jsonl was moved, deleted or replaced .*: the last row {word}"):
            rows.append({"hash": "b"})
    if happens != "deleted":
        kept = elsewhere / "results.jsonl" if elsewhere.is_dir() else elsewhere
        assert [row["hash"] for row in read(kept)] == ["a", "b"]
        # As the message says.
        file.parent.mkdir(exist_ok=True)
        kept.rename(file)
        with opened(file) as rows:
            rows.append({"hash": "c"})
        assert [row["hash"] for row in read(file)] == ["a", "b", "c"]


def killed_until_done(
    arguments: list[str], environment: dict[str, str], moments: random.Random, longest: float, times: int
) -> int:
    """Kills a program so many times, at random moments, and then lets it end. Returns how often it was cut short."""
    cut = 0
    for _ in range(times):
        process = subprocess.Popen([sys.executable, *arguments], env=environment, stderr=subprocess.DEVNULL)
        try:
            process.wait(moments.uniform(0.0, longest))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.returncode in (0, -signal.SIGKILL)
        cut += process.returncode != 0
    subprocess.run([sys.executable, *arguments], env=environment, check=True, capture_output=True)
    return cut


def test_killed_at_random_moments_the_file_of_rows_is_the_same(tmp_path):
    # A program without JAX, that spends its life writing; so that the moments fall into all of it.
    writer = tmp_path / "writer.py"
    writer.write_text("""
import pathlib, sys, time
from runs._rows import merged, opened
file = pathlib.Path(sys.argv[1])
with opened(file) as rows:
    done = merged(file.parent, "results")
    for i in range(1000):
        if str(i) not in done:
            rows.append({"hash": str(i), "values": [i / 7] * 40})
            time.sleep(0.002)
""")
    undisturbed, disturbed = (tmp_path / name / "results.jsonl" for name in ("undisturbed", "disturbed"))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, writer, undisturbed], env=environment, check=True)
    # It takes two seconds and more: a third of that, whatever the disk.
    cut = killed_until_done([str(writer), str(disturbed)], environment, random.Random(0), 0.6, 12)
    assert cut > 0
    assert disturbed.read_bytes() == undisturbed.read_bytes()
    assert len(read(disturbed)) == 1000
