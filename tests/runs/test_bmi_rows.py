"""Cells of the benchmark that were finished are kept, and those of others with them."""

import json

import pytest

from runs import bmi, bmi_peers, bmi_rows


def row(task, config):
    """An estimate that is a hundredth too high."""
    exact = task.mutual_information
    value = exact + 0.01
    names = ("fitted", "halved", "gaussian", "p_value", "pointwise_correlation", "exact_on_samples", "seconds")
    return {
        **dict.fromkeys(names, 0.5),
        **{"task": task.name, "exact": exact, "value": value, "stderr": 0.01, "interval": [value - 0.02, value + 0.02]},
        "warnings": [],
    }


@pytest.mark.parametrize("known", [False, True])
def test_finished_cells_take_their_place(known, tmp_path, monkeypatch, capsys):
    file, root = tmp_path / "rows.json", str(tmp_path / "results")
    other = {"samples": 5_000, "seed": 3, "summary": {"tasks": 40}, "rows": [], "peers": []}
    old = {"samples": 1_000, "seed": 1, "summary": {"tasks": 0}, "rows": []}
    file.write_text(json.dumps([other, old] if known else [other]))
    monkeypatch.setattr(bmi, "measure", row)
    # Fewer than all are no cell.
    bmi.main(["--samples", "1000", "--seed", "2", "--only", "^1v1", "--root", root])
    bmi.main(["--samples", "1000", "--seed", "1", "--root", root])
    capsys.readouterr()
    first, second = bmi_rows.main(["--file", str(file), "--root", root])
    assert (first["samples"], first["seed"]) == (1_000, 1) and second == other
    assert first["summary"]["mean_absolute_error"] == pytest.approx(0.01)
    assert first["summary"]["covered"] == len(first["rows"]) == 40
    assert "mean_absolute_error" in capsys.readouterr().out
    assert json.loads(file.read_text()) == [first, second]
    assert bmi_rows.kept(str(file)) == {(1_000, 1): first, (5_000, 3): other}
    assert bmi_rows.kept(str(tmp_path / "none.json")) == {}
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".json"] == ["results"]
    # What others make of the same samples, once it is all there.
    assert "peers" not in first
    monkeypatch.setattr(bmi_peers, "PEERS", {"copula": bmi_peers.Peer(lambda x, y, seed: 1.5)})
    bmi_peers.main(["--samples", "1000", "--seed", "1", "--root", root])
    third, fourth = bmi_rows.main(["--file", str(file), "--root", root])
    assert [row["peers"]["copula"]["value"] for row in third["peers"]] == [1.5] * 40
    assert third == first | {"peers": third["peers"]} and fourth == other
    # And stays where the results are gone.
    assert bmi_rows.main(["--file", str(file), "--root", str(tmp_path / "gone")]) == [third, fourth]
