"""What a user sees at the shell: numbers against closed forms, files that others can read, and refusals in one line."""

import errno
import functools as ft
import io
import json
import math
import os
import pathlib
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import entropax as ex
from entropax._files import locked
from entropax.cli import main, run
from entropax.cli._dependence import Dependences
from entropax.cli._measurement import check_bounds, Measurement
from entropax.dependence._network import Round, train
from entropax.train import Checkpoints, History


# Enough for a Gaussian and a small network, in a few seconds.
QUICK = ("--steps", "400", "--batch-size", "128")


def untrained(split, held, blocks, **settings):
    """Networks that find nothing beyond second moments."""
    return Round([], np.zeros((1, len(split.tables.of))))


@pytest.fixture(autouse=True, scope="module")
def small_network():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("entropax.cli._measurement.fit_with_history", ft.partial(ex.fit_with_history, width=64, depth=2))
        patch.setattr("entropax.cli._measurement._RECORDS", 4)
        patch.setattr("entropax.dependence._cross_fitting.train", untrained)
        yield


def correlated(num, rho):
    first, second = np.random.default_rng(0).normal(size=(2, num))
    return first, rho * first + math.sqrt(1 - rho**2) * second


def save(folder, name="data.npz", /, **arrays):
    np.savez(folder / name, **arrays)
    return str(folder / name)


@pytest.fixture(scope="module")
def interrupted(small_network, tmp_path_factory):
    """A measurement of I(X;Y) of correlated Gaussians, whose training was interrupted half way."""
    folder = tmp_path_factory.mktemp("gaussian")
    # Off the origin and out of scale, which `--transform standardise` puts right.
    x, y = correlated(4000, 0.8)
    command = ["measure", save(folder, x=1e4 + 5 * x, y=y), *QUICK, "--checkpoint", str(folder / "checkpoints")]
    keep = Checkpoints.save

    def save_or_stop(checkpoints, step, state, **metadata):
        keep(checkpoints, step, state, **metadata)
        if step == 2:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "save", save_or_stop)
        assert run(command) == 130
    assert run([*command, "--json", str(folder / "nats.json")]) == 0
    return folder, command, json.loads((folder / "nats.json").read_text())


def test_gaussian_mutual_information(interrupted):
    _, _, results = interrupted
    information = results["mutual_information"]
    assert information["default"] == "cross_fitted"
    assert abs(information["loss_gap"]["value"] + 0.5 * math.log(1 - 0.8**2)) < 0.15
    assert abs(results["neural_entropy"]["value"]) < 0.05
    assert set(information) == {"cross_fitted", "orthogonal", "entropy_difference", "loss_gap", "default"}
    # One integral for all, the same nodes and the same noise: what must be equal is so but for the tails.
    difference = results["conditional_entropy"]["value"] - results["neural_entropy"]["value"]
    stderr = information["entropy_difference"]["stderr"]
    assert information["entropy_difference"]["value"] == pytest.approx(difference, abs=0.1 * stderr)
    assert "total_correlation" not in results
    for entry in (results["neural_entropy"], information["loss_gap"], information["cross_fitted"]):
        assert set(entry) == {"value", "stderr", "unit"} and entry["unit"] == "nats" and 0 < entry["stderr"] < 0.1


def test_budget_counts_what_was_done(interrupted):
    _, _, results = interrupted
    training, evaluation = results["budget"]["training"], results["budget"]["evaluation"]
    assert results["budget"]["cross_fitting"] == {"samples": 4000, "seconds": pytest.approx(30, abs=30)}
    assert (training["samples"], evaluation["samples"]) == (3200, 800)
    assert (training["steps"], training["resumed_from_step"]) == (400, 200)
    assert training["network_evaluations"] == 400 * 128
    assert evaluation["network_evaluations"] == 2 * ex.Integrator().evaluations(800)
    assert training["seconds"] > 0 and evaluation["seconds"] > 0
    assert results["warnings"] == [] and results["settings"]["seed"] == 0
    assert results["versions"]["jax"] == sys.modules["jax"].__version__
    assert results["versions"]["entropax"] == ex.__version__


def test_bits_and_picture_from_a_finished_training(interrupted, capsys):
    folder, command, nats = interrupted
    files = ["--json", str(folder / "bits.json"), "--plot", str(folder / "rates.png")]
    assert run([*command, "--bits", *files]) == 0
    bits = json.loads((folder / "bits.json").read_text())
    assert bits["budget"]["training"]["resumed_from_step"] == 400
    for name in ("neural_entropy", "conditional_entropy"):
        assert bits[name]["unit"] == "bits"
        for part in ("value", "stderr"):
            assert bits[name][part] == pytest.approx(nats[name][part] / math.log(2), rel=1e-5)
    # p-values and verdicts have no unit.
    for name, part in bits["dependence"]["mutual_information"].items():
        of_nats = nats["dependence"]["mutual_information"][name]
        if name in ("p_value", "converged", "kinds", "sides", "unit"):
            assert part == ("bits" if name == "unit" else of_nats)
        else:
            numbers = lambda part: list(part.values()) if name == "gaussian" else part
            np.testing.assert_allclose(numbers(part), np.array(numbers(of_nats)) / math.log(2), rtol=1e-5)
    printed = capsys.readouterr().out
    assert "mutual information I(X;Y)" in printed and "(default)" in printed and " bits " in printed
    assert "cross-fitting" in printed and "Gaussian copula" in printed
    assert (folder / "rates.png").read_bytes().startswith(b"\x89PNG") and not list(folder.glob(".*"))


def test_checkpoints_of_another_training_or_damaged(interrupted, capsys, tmp_path):
    folder, command, _ = interrupted
    assert run([*command, "--seed", "1"]) == 2
    assert "another configuration: --seed is 1 here, 0 there" in one_line(capsys)
    # Other samples, which only the digest tells apart.
    with np.load(command[1]) as arrays:
        other = save(tmp_path, x=arrays["x"][::-1], y=arrays["y"])
    assert run([command[0], other, *command[2:]]) == 2
    assert "another configuration: the digest of the samples is" in one_line(capsys)
    with locked(folder / "checkpoints"):
        assert run(command) == 2
    assert re.search("--checkpoint: the folder '.*checkpoints' is in use by another process", one_line(capsys))
    shutil.copytree(folder / "checkpoints", tmp_path / "checkpoints")
    for file in (tmp_path / "checkpoints").rglob("*"):
        if file.is_file() and "state" in file.parts:
            file.write_bytes(b"not what it was")
    assert run([*command, "--checkpoint", str(tmp_path / "checkpoints")]) == 2
    assert "damaged" in one_line(capsys)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("mine")
    assert run([*command, "--checkpoint", str(tmp_path / "notes")]) == 2
    assert "not a folder of checkpoints" in one_line(capsys)


def test_an_interrupted_cross_fitting_goes_on(tmp_path, capsys, monkeypatch, no_model):
    """Each fit that has ended is kept, and the numbers are those of a command that was left alone."""
    x, y = correlated(240, 0.8)
    command = ["measure", save(tmp_path, x=np.stack([x, x**2 + y, x * y], 1), y=y)]
    command += ["--json", str(tmp_path / "results.json")]
    dependence = lambda: json.loads((tmp_path / "results.json").read_text())["dependence"]
    assert run(command) == 0
    expected, calls = dependence(), []
    monkeypatch.setattr("entropax.dependence._cross_fitting.os.cpu_count", lambda: 1)

    def stopping(after):
        def one(*arguments, **settings):
            if len(calls) == after:
                raise KeyboardInterrupt
            calls.append(1)
            return untrained(*arguments, **settings)

        return one

    capsys.readouterr()
    monkeypatch.setattr("entropax.dependence._cross_fitting.train", stopping(3))
    assert run(command) == 130
    assert one_line(capsys).startswith("entropax: interrupted; nothing is kept; with --checkpoint FOLDER")
    command += ["--checkpoint", str(tmp_path / "kept")]
    calls.clear()
    # I(X;Y) and TC(X), each by two halves and five folds.
    for after in (3, 5, 9, 14):
        monkeypatch.setattr("entropax.dependence._cross_fitting.train", stopping(after))
        stopped = run(command)
        if after < 14:
            assert stopped == 130 and len(calls) == after
            assert re.search("kept' keeps [0-9]+ results of the cross-fitting; the same", one_line(capsys))
    assert stopped == 0 and len(calls) == 14 and dependence() == expected
    # Another command's is refused before any work.
    assert run([*command, "--fit-steps", "100"]) == 2
    assert "another configuration: --fit-steps is 100 here, 5500 there" in capsys.readouterr().err


def test_labels_that_tell_nothing(tmp_path, capsys, monkeypatch):
    # The exact denoiser in the network's place: what is left in the numbers are their error bars. A model that ignored
    # its labels would be refused, so that the means of the two differ by next to nothing.
    def fit(x, y, **settings):
        both = np.asarray(x, np.float64)
        means = both.mean(0) + 1e-5 * np.array([[-1.0], [1.0]])
        model = ex.GaussianMixture(np.full(2, 0.5), means, np.stack([np.cov(both.T)] * 2))
        return ex.Training(model, History(np.array([7]), np.array([2.0]), np.array([2.0]), np.array([[2.0]])))

    monkeypatch.setattr("entropax.cli._measurement.fit_with_history", fit)
    monkeypatch.setenv("COLUMNS", "120")
    np.save(tmp_path / "x.npy", np.stack(correlated(2000, 0.8), 1))
    np.savetxt(tmp_path / "labels.csv", np.random.default_rng(1).integers(0, 2, 2000))
    command = ["measure", str(tmp_path / "x.npy"), "--labels", str(tmp_path / "labels.csv"), "--fit-steps", "240"]
    assert run([*command, "--json", str(tmp_path / "results.json")]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    information = results["mutual_information"]
    assert set(information) == {"cross_fitted", "orthogonal", "entropy_difference", "loss_gap", "posterior", "default"}
    assert information["default"] == "cross_fitted"
    for name in ("orthogonal", "entropy_difference", "loss_gap"):
        assert information[name]["value"] == pytest.approx(0, abs=1e-6)
    for name in ("posterior", "cross_fitted"):
        assert abs(information[name]["value"]) < 4 * information[name]["stderr"] + 0.005
    # A correlation is what S(X) and TC(X) both are here; TC takes no notice of the labels.
    for name in ("neural_entropy", "conditional_entropy", "total_correlation"):
        assert abs(results[name]["value"] + 0.5 * math.log(1 - 0.8**2)) < 4 * results[name]["stderr"] < 0.15
    assert results["budget"]["evaluation"]["network_evaluations"] == 400 * 2 * (16 + 2 + 128 + 2)
    total = results["dependence"]["total_correlation"]
    assert abs(total["value"] + 0.5 * math.log(1 - 0.8**2)) < 4 * total["stderr"] < 0.15
    printed = capsys.readouterr().out
    assert "at most H(Y) = 0.69" in printed
    assert re.search(r"total correlation TC\(X\) .* cross-fitted .*\n.*  by the model .* mixtures", printed)


@pytest.fixture
def no_model(monkeypatch):
    """What samples alone tell, without the wait for the model."""
    history = History(np.array([1]), np.array([1.0]), np.array([1.0]), np.array([[1.0]]))
    measured = Measurement({"neural_entropy": estimate(0.5, 0.01)}, {}, None, history, {})
    monkeypatch.setattr("entropax.cli._measure.measure", lambda *shares, **settings: measured)


def test_cross_fitting(tmp_path, capsys, monkeypatch, no_model):
    # Small networks, on one device: most of the time goes into compiling.
    small = {"_cross_fitting._DRAWS": 20_000, "_cross_fitting._CHECK_DRAWS": 4_000, "_network._DEPTH": 1}
    for name, value in (small | {"_cross_fitting.train": train}).items():
        monkeypatch.setattr(f"entropax.dependence.{name}", value)
    monkeypatch.setattr("entropax.cli._dependence.CrossFitting", ft.partial(ex.dependence.CrossFitting, folds=2))
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:1])
    monkeypatch.setenv("COLUMNS", "120")
    # Neither tails nor a scale matter.
    x, y = correlated(1000, 0.8)
    file, truth = save(tmp_path, x=np.sinh(3 * x), y=1e4 + y), -0.5 * math.log(1 - 0.8**2)
    assert run(["measure", file, "--fit-steps", "240", "--json", str(tmp_path / "results.json")]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    entry = results["dependence"]["mutual_information"]
    assert abs(entry["value"] - truth) < 3 * entry["stderr"] < 0.15
    assert abs(entry["gaussian"]["value"] - truth) < 3 * entry["gaussian"]["stderr"]
    moved = entry["fitted"] - entry["halved"]
    assert entry["value"] == pytest.approx(entry["fitted"] + 2 * moved, abs=1e-5)
    low, high = entry["interval"]
    np.testing.assert_allclose(entry["value"] - low, 1.95996 * entry["stderr"], rtol=1e-4)
    # The end where the error that the estimate would have there is reached.
    beyond = high - entry["value"]
    np.testing.assert_allclose(beyond**2, 1.95996**2 * (entry["stderr"] ** 2 + 2 * beyond / 1000), rtol=1e-4)
    assert entry["kinds"] == {"x": "continuous", "y": "continuous"}
    assert entry["p_value"] == 0.01 and entry["converged"] is True and entry["sides"] is None
    cross_fitted = {name: entry[name] for name in ("value", "stderr", "unit")}
    assert results["mutual_information"] == {"cross_fitted": pytest.approx(cross_fitted), "default": "cross_fitted"}
    assert re.search(r"95 % interval 0\.\d+ to 0\.\d+; independence: p = 0\.01 \(default\)", capsys.readouterr().out)


COV = np.array([[1.0, 0.6, 0.3], [0.6, 1.0, 0.5], [0.3, 0.5, 1.0]])


@pytest.mark.parametrize("options", [[], ["--two-sided"]])
def test_conditional_mutual_information(options, tmp_path, capsys, monkeypatch, no_model):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr("entropax.dependence._cross_fitting._MOST_MIXED", 0)
    x, y, c = np.random.default_rng(0).multivariate_normal(np.zeros(3), COV, 2000).T
    file, written = save(tmp_path, "data.npz", x=x, y=y), tmp_path / "pointwise.npy"
    np.save(tmp_path / "c.npy", c)
    outputs = ["--json", str(tmp_path / "results.json"), "--pointwise", str(written)]
    assert run(["measure", file, "--c", str(tmp_path / "c.npy"), *options, *outputs]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    entropy = lambda *columns: 0.5 * np.linalg.slogdet(COV[np.ix_(columns, columns)])[1]
    truth = {
        "mutual_information": entropy(0) + entropy(1) - entropy(0, 1),
        "conditional_mutual_information": entropy(0, 2) + entropy(1, 2) - entropy(0, 1, 2) - entropy(2),
    }
    assert set(results["dependence"]) == set(truth)
    for name, entry in results["dependence"].items():
        assert abs(entry["value"] - truth[name]) < 3 * entry["stderr"] < 0.06
        # Second moments are the same from either side.
        sides = 2 * [entry["value"]] if options else None
        assert entry["sides"] == (sides and pytest.approx(sides, abs=1e-6))
    conditional = results["dependence"]["conditional_mutual_information"]
    assert conditional["p_value"] is None
    assert np.load(written).mean() == pytest.approx(conditional["value"], abs=1e-5)
    assert results["settings"]["two_sided"] is bool(options)
    printed = capsys.readouterr().out
    assert re.search(r"conditional mutual information I\(X;Y\|C\) . 0\.\d+ ± 0\.\d+ .*95 % interval", printed)
    assert printed.count("x from y, y from x: 0.000 apart") == (2 if options else 0)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv"])
def test_pointwise(suffix, tmp_path, no_model):
    """In nats, of each sample in its place, whatever the unit of the rest."""
    x, y = correlated(1000, 0.8)
    file = tmp_path / f"pointwise{suffix}"
    outputs = ["--json", str(tmp_path / "results.json"), "--pointwise", str(file)]
    assert run(["measure", save(tmp_path, x=x, y=y), "--bits", *outputs]) == 0
    (pointwise,) = ex.data.load_arrays(file).values()
    value = json.loads((tmp_path / "results.json").read_text())["mutual_information"]["cross_fitted"]["value"]
    assert pointwise.mean() == pytest.approx(value * math.log(2), abs=1e-5)
    truth = -0.5 * math.log(1 - 0.8**2) - 0.5 * ((x - 0.8 * y) ** 2 / (1 - 0.8**2) - x**2)
    assert np.corrcoef(pointwise.reshape(-1), truth)[0, 1] > 0.98


@pytest.fixture
def three_files(tmp_path, no_model, monkeypatch):
    """A command that writes all files that there are, and what they must be."""
    monkeypatch.setattr("entropax.cli._plot.picture", lambda measurement, suffix: b"<svg>" * 100)
    x, y = correlated(300, 0.8)
    files = [tmp_path / name for name in ("results.json", "pointwise.npy", "rates.svg")]
    options = [part for option, file in zip(("--json", "--pointwise", "--plot"), files) for part in (option, str(file))]

    def check(but=()):
        for file in files:
            assert file.name in but or file.stat().st_size > 100, file
        if "results.json" not in but:
            assert json.loads(files[0].read_text())["mutual_information"]["default"] == "cross_fitted"
        if "pointwise.npy" not in but:
            assert np.load(files[1]).shape == (300,)

    return ["measure", save(tmp_path, x=x, y=y), *options], check


def test_nobody_reads_the_table(three_files, monkeypatch, capsys):
    command, check = three_files
    read, written = os.pipe()
    os.close(read)
    with monkeypatch.context() as patch, open(written, "w") as stream:
        patch.setattr(sys, "stdout", stream)
        # As a program that a closed pipe ends, and without a word.
        assert run(command) == 141
    check()
    assert capsys.readouterr().err == ""


def test_a_full_or_closed_standard_output(three_files, monkeypatch, capsys, tmp_path):
    command, check = three_files

    class Full(io.StringIO):
        def write(self, text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    closed = open(tmp_path / "closed", "w")
    closed.close()
    for stream, word in ((Full(), "No space left"), (None, "is closed"), (closed, "is closed")):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            assert run(command) == 1
        check()
        assert word in one_line(capsys)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_encoding_without_our_signs(three_files, monkeypatch, encoding):
    command, check = three_files
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", "100")
    assert run(command) == 0
    check()
    printed = raw.getvalue().decode(encoding)
    value = json.loads(pathlib.Path(command[3]).read_text())["mutual_information"]["cross_fitted"]["value"]
    sign = "±" if encoding != "ascii" else r"\+/-"
    assert re.search(rf"cross-fitted +\S? +{value:.2f}\d* {sign} 0\.0", printed)
    # Columns stand under each other.
    table = printed[: printed.index("Entropies")].splitlines()
    assert len({len(line) for line in table[1:] if line.strip()}) == 1


def test_one_file_that_fails_loses_no_other(three_files, monkeypatch, capsys, tmp_path):
    command, check = three_files
    for name, option in (("results.json", "--json"), ("pointwise.npy", "--pointwise"), ("rates.svg", "--plot")):
        for file in tmp_path.glob("[rp]*.*"):
            file.unlink()

        def written(file, content, waiting):
            if file.name == name:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            file.write_bytes(content)

        monkeypatch.setattr("entropax.cli._measure.write", written)
        assert run(command) == 1
        check(but=(name,))
        printed = capsys.readouterr()
        assert "mutual information I(X;Y)" in printed.out
        assert re.fullmatch(
            f"entropax: {option} '.*{name}' could not be written: No space left on device.\n", printed.err
        )
    # A picture that cannot be drawn loses no numbers.
    monkeypatch.setattr("entropax.cli._plot.picture", lambda *arguments: 1 / 0)
    monkeypatch.setattr("entropax.cli._measure.write", lambda file, content, waiting: file.write_bytes(content))
    assert run(command) == 1
    check(but=("rates.svg",))
    assert "--plot" in (said := capsys.readouterr().err) and "ZeroDivisionError" in said


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-"])
def test_closed_streams_lose_nothing(closed, tmp_path):
    """In a process of its own, whose descriptors are closed before Python begins."""
    x, y = correlated(120, 0.8)
    command = ["measure", save(tmp_path, x=x, y=y), "--steps", "2", "--batch-size", "32", "--fit-steps", "2"]
    command += ["--device", "cpu:0", "--json", str(tmp_path / "results.json")]
    program = f"{shlex.quote(sys.executable)} -m entropax.cli {shlex.join(command)} {closed}"
    done = subprocess.run(program, shell=True, stdout=subprocess.PIPE, cwd=tmp_path, check=False)
    assert "mutual_information" in json.loads((tmp_path / "results.json").read_text())
    assert done.returncode == (1 if closed.startswith(">") else 0)


def test_a_training_without_standard_error(monkeypatch):
    closed = open(os.devnull, "w")
    closed.close()
    for stream in (None, closed, object()):
        monkeypatch.setattr(sys, "stderr", stream)
        settings = ex.Settings(steps=2, batch_size=8)
        model = ex.fit(NORMAL.astype(np.float32), key=jax.random.key(0), width=8, depth=1, settings=settings)
        assert math.isfinite(ex.neural_entropy(model, jnp.asarray(NORMAL, jnp.float32), key=jax.random.key(1)).value)


def test_a_pipe_that_nobody_reads_keeps_nothing_waiting(three_files, tmp_path, monkeypatch):
    command, check = three_files
    pipe, read, printed, said = tmp_path / "pipe.json", [], io.StringIO(), io.StringIO()
    os.mkfifo(pipe)
    command[command.index("--json") + 1] = str(pipe)
    monkeypatch.setattr(sys, "stdout", printed)
    monkeypatch.setattr(sys, "stderr", said)

    def read_late():
        while "waiting for a program that reads the pipe of --json" not in said.getvalue():
            time.sleep(0.01)
        # All else is there by then.
        check(but=("results.json",))
        read.append(printed.getvalue())
        read.append(pipe.read_text())

    reader = threading.Thread(target=read_late)
    reader.start()
    assert run(command) == 0
    reader.join(10)
    assert "mutual information I(X;Y)" in read[0]
    assert json.loads(read[1])["mutual_information"]["default"] == "cross_fitted"


def test_the_pipe_of_standard_output_is_no_file_for_results(tmp_path, capsys, monkeypatch):
    read, written = os.pipe()
    with open(read), open(written, "w") as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        assert run(["measure", save(tmp_path, x=NORMAL), "--json", f"/dev/fd/{written}"]) == 2
    assert "--json and standard output are one file" in one_line(capsys)


def test_outputs_keep_what_they_are_written_to(three_files, tmp_path):
    command, check = three_files
    results, pipe = pathlib.Path(command[3]), tmp_path / "pipe.csv"
    far = tmp_path / "far.json"
    far.write_text("{}")
    far.chmod(0o604)
    results.symlink_to(far)
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    command[command.index("--pointwise") + 1] = str(pipe)
    assert run(command) == 0
    reader.join(10)
    assert results.is_symlink() and stat.S_IMODE(far.stat().st_mode) == 0o604
    assert pipe.is_fifo() and len(read[0].splitlines()) == 300
    check(but=("pointwise.npy",))


def kept_folder(tmp_path):
    """The command that has left a folder of checkpoints, and the folder."""
    x, y = correlated(240, 0.8)
    folder = tmp_path / "kept"
    command = ["measure", save(tmp_path, x=np.stack([x, y], 1), y=y + x**2), "--checkpoint", str(folder)]
    assert run(command) == 0
    return command, folder


def test_no_output_lies_among_checkpoints(tmp_path, capsys, no_model):
    command, folder = kept_folder(tmp_path)
    os.link(folder / "measure.json", tmp_path / "hard.json")
    (tmp_path / "way").symlink_to("kept")
    before = (folder / "measure.json").read_bytes()
    capsys.readouterr()
    for name in ("kept/measure.json", "kept/new.json", "kept/cross-fitting/new.json", "way/measure.json", "hard.json"):
        assert run([*command, "--json", str(tmp_path / name)]) == 2
        assert "--json is in the folder of --checkpoint" in one_line(capsys)
    assert (folder / "measure.json").read_bytes() == before and run(command) == 0


@pytest.mark.parametrize("content", [b"", b"\xff\xfe{}", b"[]", b"{"])
def test_a_damaged_mark_of_checkpoints(content, tmp_path, capsys, no_model):
    command, folder = kept_folder(tmp_path)
    (folder / "measure.json").write_bytes(content)
    capsys.readouterr()
    assert run(command) == 2
    assert re.search("--checkpoint: '.*measure.json' is damaged, .* Name another folder, delete", one_line(capsys))


@pytest.mark.parametrize("instead", ["nothing", "another"])
def test_checkpoints_that_are_deleted_meanwhile(instead, tmp_path, capsys, monkeypatch, no_model):
    command, folder = kept_folder(tmp_path)
    results = ["--json", str(tmp_path / "results.json")]
    shutil.rmtree(folder)
    capsys.readouterr()
    calls = []

    def one(*arguments, **settings):
        calls.append(1)
        if len(calls) == 3:
            shutil.rmtree(folder)
            if instead == "another":
                folder.mkdir()
        return untrained(*arguments, **settings)

    with monkeypatch.context() as patch:
        patch.setattr("entropax.dependence._cross_fitting.os.cpu_count", lambda: 1)
        patch.setattr("entropax.dependence._cross_fitting.train", one)
        assert run([*command, *results]) == 0
    said = capsys.readouterr().err
    assert re.match("entropax: --checkpoint: results cannot be kept in '.*kept.*' .it was deleted or replaced", said)
    assert said.count("--checkpoint") == 1
    assert json.loads((tmp_path / "results.json").read_text())["mutual_information"]["default"] == "cross_fitted"
    # What nobody could go on from is not made again, nor is it spoken of.
    assert not folder.exists() or not list(folder.iterdir())

    def stop(*arguments, **settings):
        shutil.rmtree(folder, ignore_errors=True)
        raise KeyboardInterrupt

    monkeypatch.setattr("entropax.dependence._cross_fitting.train", stop)
    assert run(command) == 130
    assert re.search("interrupted; nothing is kept, for there is no '.*measure.json'", one_line(capsys))


@pytest.mark.slow
def test_a_training_goes_on_without_checkpoints(tmp_path, capsys, monkeypatch):
    x, y = correlated(400, 0.8)
    folder = tmp_path / "kept"
    command = ["measure", save(tmp_path, x=x, y=y), "--steps", "8", "--batch-size", "32", "--checkpoint", str(folder)]
    monkeypatch.setattr("entropax.cli._measure.measure_dependence", lambda *samples, **settings: Dependences({}, {}))
    keep, seen = Checkpoints.save, []

    def save_and_lose(checkpoints, step, state, **metadata):
        seen.append(step)
        if step == 2:
            shutil.rmtree(folder)
        keep(checkpoints, step, state, **metadata)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", save_and_lose)
        assert run(command) == 0
    assert seen == [1, 2, 3, 4] and not folder.exists()
    printed = capsys.readouterr()
    assert "loss gap" in printed.out
    assert re.fullmatch("entropax: --checkpoint: checkpoints of the training cannot be written .*\n", printed.err)

    # On a full disk there may be none at all.
    def full(checkpoints, *state, **metadata):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "check_writable", full)
        patch.setattr(Checkpoints, "save", full)
        assert run(command) == 0
    assert "cannot be written (No space left on device)" in one_line(capsys)


def test_outputs_that_would_overwrite_something(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", NORMAL)
    np.save("y.npy", -NORMAL)
    os.link("x.npy", "hard.npy")
    pathlib.Path("soft.npy").symlink_to("y.npy")
    pathlib.Path("way").symlink_to(".")
    command = ["measure", "x.npy", "--y", "y.npy"]
    before = {name: pathlib.Path(name).read_bytes() for name in ("x.npy", "y.npy")}
    refusals = {
        ("--json", "x.npy"): "--json and DATA are one file",
        ("--json", "hard.npy"): "--json and DATA are one file",
        ("--pointwise", "./way/soft.npy"): "--pointwise and --y are one file",
        ("--json", "new.npy", "--pointwise", "way/new.npy"): "--pointwise and --json are one file",
        ("--plot", "new.svg", "--json", "way/way/new.svg"): "--plot and --json are one file",
        ("--checkpoint", "x.npy"): "--checkpoint: '.*x.npy' is not a folder",
        ("--checkpoint", "x.npy/inside"): "--checkpoint: '.*x.npy' is not a folder",
    }
    for options, message in refusals.items():
        assert run([*command, *options]) == 2
        assert re.search(message, one_line(capsys)), options
    with monkeypatch.context() as patch, open("printed.txt", "w") as stream:
        patch.setattr(sys, "stdout", stream)
        assert run([*command, "--json", "printed.txt"]) == 2
    assert "--json and standard output are one file" in one_line(capsys)
    assert before == {name: pathlib.Path(name).read_bytes() for name in before}


def test_what_cross_fitting_cannot_is_left_to_the_model(tmp_path, capsys, no_model):
    rng, results = np.random.default_rng(4), tmp_path / "results.json"
    wide, wider, sums = (
        rng.normal(size=(200, 257)),
        rng.normal(size=(200, 210)),
        rng.normal(size=(200, 2))[:, [0, 1, 0]],
    )
    whys = (
        "Cross-fitting is for 256 columns at most; there are 257 in `x`",
        "more samples than columns",
        "linear function of others",
    )
    for x, why in zip((wide, wider, sums), whys):
        file = save(tmp_path, x=x, y=rng.normal(size=200))
        assert run(["measure", file, "--json", str(results)]) == 0
        found = json.loads(results.read_text())
        assert "dependence" not in found
        for message, name in zip(found["warnings"][-2:], ("I(X;Y)", "TC(X)")):
            assert message.startswith(f"{name} is by the model alone: ") and why in message
        capsys.readouterr()
        assert run(["measure", file, "--pointwise", str(tmp_path / "pointwise.npy")]) == 2
        assert "--pointwise is by cross-fitting" in capsys.readouterr().err


def one_line(capsys):
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1 and printed.err.startswith("entropax: ") and "Traceback" not in printed.err
    return printed.err


NORMAL = np.random.default_rng(2).normal(size=(200, 2))
BAD = {
    "NaN": (dict(x=np.where(NORMAL > 2, np.nan, NORMAL)), [], "must be finite"),
    "infinite": (dict(x=NORMAL, y=np.where(NORMAL > 2, np.inf, NORMAL)), [], "`y` must be finite"),
    "lengths": (dict(x=NORMAL, y=NORMAL[:-1]), [], "as many rows as `x`, 200; got 199"),
    "empty": (dict(x=NORMAL[:0]), [], "empty"),
    "few": (dict(x=NORMAL[:99]), [], "too few samples: 99 rows leave 80 .* 19 held out"),
    "few to fit": (dict(x=NORMAL), ["--held-out", "0.95"], "too few samples: 200 rows leave 10"),
    "share": (dict(x=NORMAL), ["--held-out", "1.5"], "between 0 and 1"),
    "constant": (dict(x=np.c_[NORMAL, np.ones(200)]), [], r"columns \[2\] .* constant"),
    "float labels": (dict(x=NORMAL, y=np.arange(200) % 3.0), [], "only 3 distinct .* --y-kind discrete"),
    "rare label": (dict(x=NORMAL, y=np.arange(200) // 199 * 7), ["--held-out", "0.9"], r"too few samples .*\[7\]"),
    "no x": (dict(z=NORMAL), [], "must hold an array `x`; it holds 'z'"),
    "c": (dict(x=NORMAL, c=NORMAL), [], r"`c`, but no `y`"),
    "c of other length": (
        dict(x=NORMAL, y=-NORMAL, c=NORMAL[1:]),
        [],
        "`c` must have as many rows as `x`, 200; got 199",
    ),
    "float labels of c": (dict(x=NORMAL, y=-NORMAL, c=np.arange(200) % 3.0), [], "--c-kind discrete"),
    "c of text": (
        dict(x=NORMAL, y=-NORMAL, c=NORMAL[:, 0].astype(str)),
        ["--c-kind", "continuous"],
        "must hold numbers",
    ),
    "pointwise": (
        dict(x=NORMAL, y=-NORMAL),
        ["--pointwise", "pointwise.txt"],
        "--pointwise must end in .npy, .csv, .npz",
    ),
    "pointwise folder": (dict(x=NORMAL), ["--pointwise", "nowhere/p.npy"], "there is no folder .*nowhere"),
    "pointwise of x": (dict(x=NORMAL), ["--pointwise", "pointwise.npy"], "--pointwise .* there is no `y`"),
    "sides of x": (dict(x=NORMAL), ["--two-sided"], "--two-sided .* there is no `y`"),
    "sides of labels": (dict(x=NORMAL, y=np.arange(200) % 3), ["--two-sided"], "this one holds labels"),
    "fit steps": (dict(x=NORMAL), ["--fit-steps", "0"], "--fit-steps must be positive"),
    "pickle": (dict(x=np.array([{}, []], object)), [], "pickled Python objects"),
    "device": (dict(x=NORMAL), ["--device", "abacus"], "no device 'abacus'; there are: cpu:0, cpu:1"),
    "device number": (dict(x=NORMAL), ["--device", "cpu:7"], "no device 'cpu:7'; there are: cpu:0"),
    "steps": (dict(x=NORMAL), ["--steps", "0"], "`steps` must be a whole number, at least 1; got 0"),
    "seed": (dict(x=NORMAL), ["--seed", "-1"], "--seed must be"),
    "picture": (dict(x=NORMAL), ["--plot", "rates.gif"], "--plot must end in .png, .pdf, .svg"),
    "no folder": (dict(x=NORMAL), ["--json", "nowhere/results.json"], "there is no folder .*nowhere"),
    "folder": (dict(x=NORMAL), ["--json", "."], "is a folder"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_one_line(case, tmp_path, capsys, monkeypatch):
    arrays, options, message = BAD[case]
    monkeypatch.chdir(tmp_path)
    file = save(tmp_path, **arrays)
    assert run(["measure", file, *options]) == 2
    assert re.search(message, one_line(capsys))


def test_files_that_are_not_samples(tmp_path, capsys):
    def refused(message, *arguments):
        assert run(["measure", *map(str, arguments)]) == 2
        assert re.search(message, one_line(capsys))

    x = tmp_path / "x.npy"
    np.save(x, NORMAL)
    refused("there is no file", tmp_path / "absent.npz")
    refused("must end in .npz, .npy or .csv; got 'data.mat'", tmp_path / "data.mat")
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 and no more")
    refused("damaged", tmp_path / "torn.npz")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n3,four\n")
    refused("'four' is not a number", tmp_path / "table.csv")
    both = save(tmp_path, "both.npz", x=NORMAL, y=NORMAL)
    refused("`y` must come from one place", both, "--y", x)
    refused("`y` must come from one place", x, "--y", x, "--labels", x)
    third = save(tmp_path, "third.npz", x=NORMAL, y=NORMAL, c=NORMAL)
    refused("`c` must come from one place", third, "--c", x)
    two = save(tmp_path, "two.npz", a=NORMAL, b=NORMAL)
    refused("one array, or one called `c`; it holds 'a', 'b'", both, "--c", two)
    refused("one array, or one called `y`; it holds 'a', 'b'", x, "--y", two)
    refused("there is no file", x, "--y", tmp_path / "absent.csv")
    np.save(tmp_path / "large.npy", 1e300 * NORMAL)
    refused("too large for float32", tmp_path / "large.npy", "--transform", "none")


def _zip(folder: pathlib.Path, keep: float) -> bytes:
    np.savez(folder / "whole.npz", x=NORMAL, y=NORMAL)
    content = (folder / "whole.npz").read_bytes()
    return content[: int(keep * len(content))]


def _npy(array) -> Callable[[pathlib.Path], bytes]:
    def content(folder: pathlib.Path) -> bytes:
        np.save(folder / "array.npy", array)
        return (folder / "array.npy").read_bytes()

    return content


# What lies in the file of samples, and how it is refused: by an exit code of 2, in one line.
FILES: dict[str, tuple[str, Callable[[pathlib.Path], bytes], str]] = {
    "no bytes, npz": ("a.npz", lambda folder: b"", "damaged, or no .npz file"),
    "no bytes, npy": ("a.npy", lambda folder: b"", "damaged, or no .npy file"),
    "no bytes, csv": ("a.csv", lambda folder: b"", "is empty"),
    "blank lines": ("a.csv", lambda folder: b"\n\n\n", "is empty"),
    "a header alone": ("a.csv", lambda folder: b"a,b\n", "is empty"),
    "text for npz": ("a.npz", lambda folder: b"x,y\n1,2\n", "damaged, or no .npz file"),
    "npy for npz": ("a.npz", _npy(NORMAL), "damaged, or no .npz file"),
    "npz for npy": ("a.npy", lambda folder: _zip(folder, 1), "damaged, or no .npy file"),
    "npz for csv": ("a.csv", lambda folder: _zip(folder, 1), "damaged, or no text"),
    "an archive cut in half": ("a.npz", lambda folder: _zip(folder, 0.5), "damaged"),
    "an archive less its end": ("a.npz", lambda folder: _zip(folder, 0.99), "damaged"),
    "an archive of nothing": ("a.npz", lambda folder: b"PK\x05\x06" + bytes(18), "holds no arrays"),
    "an array cut in half": ("a.npy", lambda folder: _npy(NORMAL)(folder)[:1000], "damaged"),
    "objects": ("a.npy", _npy(NORMAL.astype(object)), "pickled Python objects"),
    "no numbers": ("a.npy", _npy(NORMAL.astype(str)), "must hold numbers; got text"),
    "complex numbers": ("a.npy", _npy(NORMAL + 1j), "must hold real numbers; got dtype complex128"),
    "dates": ("a.npy", _npy(np.arange(200).astype("M8[D]")), "must hold real numbers; got dtype datetime64"),
    "records": ("a.npy", _npy(np.zeros(200, [("a", float)])), "must hold real numbers"),
    "images": ("a.npy", _npy(np.zeros((200, 8, 8))), r"\(num, dim\); got \(200, 8, 8\)"),
    "one number": ("a.npy", _npy(np.float64(1.0)), r"\(num, dim\); got \(\)"),
    "one row": ("a.npy", _npy(NORMAL[:1]), "at least 2 rows; got 1"),
    "integers that float64 cannot tell apart": ("a.npy", _npy(2**60 + np.arange(200)), "float64 cannot tell apart"),
    "constant columns": ("a.csv", lambda folder: b"1,2\n" * 200, "constant"),
    "rows of other lengths": ("a.csv", lambda folder: b"1,2\n3\n", "row 2: 1 cells"),
    "a word among numbers": ("a.csv", lambda folder: b"1,2\n3,four\n", "'four' is not a number"),
    "bytes that are no text": ("a.csv", lambda folder: b"\xff\xfe1\x00", "no text"),
    "semicolons": ("a.csv", lambda folder: b"1;2\n3;4\n" * 100, "is not a number"),
    "another kind of file": ("a.mat", lambda folder: b"MATLAB", "must end in .npz, .npy or .csv"),
    "no suffix": ("samples", lambda folder: b"1,2\n", "must end in .npz, .npy or .csv"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_bad_file_is_refused_in_one_line(case, tmp_path, capsys):
    name, content, message = FILES[case]
    (tmp_path / name).write_bytes(content(tmp_path))
    assert run(["measure", str(tmp_path / name)]) == 2
    assert re.search(message, one_line(capsys))


OPTIONS = {
    "no file": ["absent.npz"],
    "a folder": ["folder.npz"],
    "a link to nowhere": ["nowhere.npz"],
    "nothing at all": [],
    "steps that are no number": ["x.npy", "--steps", "nan"],
    "steps in part": ["x.npy", "--steps", "1.5"],
    "negative steps": ["x.npy", "--steps", "-1"],
    "no steps": ["x.npy", "--steps", "0"],
    "negative fit steps": ["x.npy", "--fit-steps", "-5"],
    "no batch": ["x.npy", "--batch-size", "0"],
    "negative batch": ["x.npy", "--batch-size", "-64"],
    "share that is no number": ["x.npy", "--held-out", "nan"],
    "share of all": ["x.npy", "--held-out", "1"],
    "negative share": ["x.npy", "--held-out", "-0.2"],
    "infinite share": ["x.npy", "--held-out", "inf"],
    "a seed beyond 32 bits": ["x.npy", "--seed", str(2**32)],
    "an unknown option": ["x.npy", "--colour", "red"],
    "an option without its value": ["x.npy", "--json"],
    "an unknown kind": ["x.npy", "--y-kind", "ordinal"],
    "an unknown transform": ["x.npy", "--transform", "log"],
    "a second file": ["x.npy", "y.npy"],
    "no device": ["x.npy", "--device", ""],
    "a device number below zero": ["x.npy", "--device", "cpu:-1"],
    "labels that are no file": ["x.npy", "--labels", "absent.csv"],
    "a picture of no kind": ["x.npy", "--plot", "rates"],
    "a checkpoint that is a file": ["x.npy", "--checkpoint", "x.npy"],
    "a name that is too long": ["x.npy", "--json", "j" * 300],
}


@pytest.mark.parametrize("case", OPTIONS)
def test_bad_options_are_refused_without_a_traceback(case, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", NORMAL)
    os.mkdir("folder.npz")
    os.symlink("gone.npz", "nowhere.npz")
    before = sorted(tmp_path.iterdir())
    try:
        code = run(["measure", *OPTIONS[case]])
    except SystemExit as stopped:
        code = stopped.code
    printed = capsys.readouterr()
    assert code == 2 and printed.out == "" and printed.err and "Traceback" not in printed.err
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_that_may_not_be_read(capsys):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "x.npy"
        np.save(file, NORMAL)
        file.chmod(0o000)
        os.chmod(folder, 0o755)
        effective = os.geteuid()
        try:
            if effective == 0:
                os.seteuid(65534)
            assert run(["measure", str(file)]) == 2
        finally:
            os.seteuid(effective)
    assert "Permission denied" in one_line(capsys)


def test_a_picture_without_matplotlib(tmp_path, capsys, monkeypatch):
    for name in ("matplotlib", "matplotlib.axes", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "entropax.cli._plot", raising=False)
    assert run(["measure", save(tmp_path, x=NORMAL), "--plot", "rates.png"]) == 2
    assert "pip install 'entropax[plot]'" in one_line(capsys)


def estimate(value, stderr):
    return ex.Estimate(jnp.asarray(value), jnp.asarray(stderr), jnp.asarray(0.0))


def test_guard_rails_are_printed_and_written(tmp_path, capsys, monkeypatch):
    by_method = {"orthogonal": estimate(0.9, 0.01), "loss_gap": estimate(-0.3, 0.02), "posterior": estimate(0.6, 0.01)}
    history = History(np.array([1]), np.array([1.0]), np.array([1.0]), np.array([[1.0]]))
    budget = {name: {"samples": 1, "seconds": 1.0} for name in ("training", "evaluation")}
    measured = Measurement({"neural_entropy": estimate(0.5, 0.01)}, by_method, math.log(2), history, budget)

    def measure(train, held_out, **settings):
        assert train.x.devices() == held_out.y.devices() == {jax.devices()[1]}
        check_bounds(measured.quantities, by_method, jnp.array([0, 1]))
        warnings.warn("left out", ex.TruncationWarning)
        warnings.warn("still moves", ex.dependence.ConvergenceWarning)
        return measured

    monkeypatch.setattr("entropax.cli._measure.measure", measure)
    # Of y, x is all but a function: that is told at once, and the measurement goes on.
    data = save(tmp_path, x=NORMAL, y=3 * NORMAL + 2e-3 * NORMAL[::-1])
    assert run(["measure", data, "--bits", "--device", "cpu:1", "--json", str(tmp_path / "results.json")]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["settings"]["device"] == "cpu:1"
    bounds = (
        "looks like a function",
        "I(X;Y) (orthogonal) <= H(Y)",
        "I(X;Y) (loss_gap) >= 0",
        "left out",
        "still moves",
    )
    assert len(results["warnings"]) == len(bounds)
    assert all(bound in message for bound, message in zip(bounds, results["warnings"]))
    printed = capsys.readouterr()
    assert printed.err.startswith("Warning: X looks like a function of Y") and printed.err.count("Warning") == 1
    assert printed.out.count("Warning: ") == 5
    # One label in two says one bit at most.
    assert "at most H(Y) = 1.000" in printed.out
    assert results["mutual_information"]["posterior"] == pytest.approx(
        {"value": 0.6 / math.log(2), "stderr": 0.01 / math.log(2), "unit": "bits"}
    )


def test_an_estimate_that_is_no_number_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "entropax.cli._measure.measure",
        lambda *shares, **settings: check_bounds({"neural_entropy": estimate(math.nan, 0.1)}, {}, None),
    )
    assert run(["measure", save(tmp_path, x=NORMAL)]) == 2
    assert "neural entropy comes out as nan" in one_line(capsys)


@pytest.mark.parametrize("transform", ["none", "standardise", "rank"])
def test_shares_are_disjoint_and_scaled_by_what_the_fit_sees(transform, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("entropax.cli._measure.measure_dependence", lambda *samples, **settings: None)
    monkeypatch.setattr("entropax.cli._measure.measure", lambda *shares, **settings: seen.append(shares) or 1 / 0)
    x = np.random.default_rng(3).gamma(1.0, size=(1000, 2))
    labels = np.sort(np.arange(1000) % 100)
    with pytest.raises(ZeroDivisionError):
        run(["measure", save(tmp_path, x=x, y=labels), "--transform", transform, "--held-out", "0.3"])
    ((train, held_out),) = seen
    assert (len(train.x), len(held_out.x)) == (700, 300)
    # A monotone map of each column, whatever the transform: ranks among all stay what they were, and no row is lost.
    both = np.concatenate([train.x, held_out.x])
    rank = lambda table: table.argsort(0).argsort(0)
    rows = np.lexsort(rank(both).T)
    np.testing.assert_array_equal(rank(both)[rows], rank(x)[np.lexsort(rank(x).T)])
    # Of every label the same share.
    np.testing.assert_array_equal(np.bincount(held_out.y), np.full(100, 3))
    if transform == "standardise":
        np.testing.assert_allclose(train.x.mean(0), 0, atol=1e-6)
        np.testing.assert_allclose(train.x.std(0), 1, rtol=1e-5)


def test_doctor(capsys):
    assert run(["doctor"]) == 0
    printed = capsys.readouterr().out
    lines = ("python", "jaxlib", "orbax", "entropax", "devices", "CPUs", "matmul precision", "x64", "threefry", "cache")
    assert all(line in printed for line in lines)
    assert ex.__version__ in printed and "cpu:0 (cpu), cpu:1 (cpu)" in printed


@pytest.mark.parametrize(
    "error, why", [(AssertionError(), "unset it"), (RuntimeError("no 'cuda' here"), "no 'cuda' here")]
)
def test_no_device_of_the_platforms_that_jax_is_told_to_use(error, why, tmp_path, capsys, monkeypatch):
    def devices(*names):
        raise error

    monkeypatch.setattr(jax, "devices", devices)
    assert run(["measure", save(tmp_path, x=NORMAL)]) == 2
    assert why in one_line(capsys)
    # What a report of the problem needs is printed all the same.
    assert run(["doctor"]) == 2
    printed = capsys.readouterr()
    assert re.search("devices +none", printed.out) and ex.__version__ in printed.out
    assert printed.err.startswith("entropax: JAX finds no device") and printed.err.count("\n") == 1


def test_compilations_are_kept_where_the_user_wants_them(monkeypatch, tmp_path, capsys):
    option = "jax_compilation_cache_dir"
    chosen = jax.config.values[option]
    monkeypatch.setattr(sys, "argv", ["entropax", "measure", "absent.npz"])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    try:
        for before, after in ((chosen, chosen), (None, str(tmp_path / "entropax"))):
            jax.config.update(option, before)
            with pytest.raises(SystemExit) as stopped:
                main()
            assert stopped.value.code == 2 and "no file 'absent.npz'" in one_line(capsys)
            assert jax.config.values[option] == after
    finally:
        jax.config.update(option, chosen)
