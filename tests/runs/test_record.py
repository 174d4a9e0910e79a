"""A run is done once, resumes, is complete or is not, and never passes one configuration's results off as another's."""

import dataclasses
import json
import os
import pathlib
import pickle
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import entropax as ex
from runs._record import execute, find, main, Record


@dataclasses.dataclass(frozen=True)
class Optimiser:
    learning_rate: float = 1e-3


@dataclasses.dataclass(frozen=True)
class Config:
    noise_std: float = 1.0
    dims: tuple[int, ...] = (2, 3)
    optimiser: Optimiser = Optimiser()
    seed: int = 7


PRESETS = {"smoke": Config(dims=(1,)), "default": Config(), "paper": Config(dims=(25, 15), noise_std=2)}


def area(config: Config, record: Record):
    """A run whose result is known: the product of the dimensions."""
    with record.stage("count"):
        calls = record.directory.parent / "calls"
        calls.parent.mkdir(exist_ok=True, parents=True)
        calls.write_text((calls.read_text() if calls.exists() else "") + "x")
    record.save(dims=jnp.asarray(config.dims), scale=np.float64(0.1), names=np.asarray(["a", "bc"]))
    information = ex.Estimate(jnp.asarray(20.0), jnp.asarray(0.3), jnp.asarray(0.4))
    return {"area": jnp.prod(jnp.asarray(config.dims)), "information": information}


def calls_in(root: pathlib.Path) -> int:
    return len((root / "test_record" / "calls").read_text())


def test_a_run_is_done_once_and_read_back(tmp_path, capsys):
    first = execute(area, Config(), tmp_path)
    assert first.complete and f"Written: {first.directory}" in capsys.readouterr().out
    again = execute(area, Config(), tmp_path)
    assert f"Complete already: {first.directory}" in capsys.readouterr().out
    assert calls_in(tmp_path) == 1
    for record in (first, again, find("test_record", Config(), tmp_path)):
        assert record is not None
        metrics, arrays = record.load()
        assert metrics == {"area": 6, "information": {"value": 20.0, "stderr": 0.5}}
        assert {name: array.tolist() for name, array in arrays.items()} == {
            "dims": [2, 3],
            "scale": 0.1,
            "names": ["a", "bc"],
        }
        assert arrays["dims"].dtype == np.int32 and arrays["scale"].dtype == np.float64
    assert find("test_record", Config(seed=8), tmp_path) is None


def test_what_is_written_beside_the_metrics(tmp_path):
    record = execute(area, Config(), tmp_path)
    read = lambda name: json.loads((record.directory / name).read_text())
    assert read("config.json") == {
        "noise_std": 1.0,
        "dims": [2, 3],
        "optimiser": {"learning_rate": 1e-3},
        "seed": 7,
    }
    provenance = read("provenance.json")
    assert provenance["seed"] == 7
    assert provenance["versions"]["jax"] == jax.__version__ and provenance["versions"]["entropax"] == ex.__version__
    assert provenance["device"] == {"platform": "cpu", "kind": jax.devices()[0].device_kind, "count": 2}
    timings = read("timings.json")
    assert 0 < timings["count"] < timings["total"]
    assert sorted(path.name for path in record.directory.iterdir()) == [
        "arrays.npz",
        "config.json",
        "metrics.json",
        "provenance.json",
        "timings.json",
    ]


def test_the_folder_follows_from_the_values_alone(tmp_path):
    directory = Record("a", Config(), tmp_path).directory
    assert directory == Record("a", Config(noise_std=1, dims=(2, 3)), tmp_path).directory  # 1 is 1.0
    others = [
        Record("b", Config(), tmp_path),
        Record("a", Config(noise_std=1 + 2**-52), tmp_path),
        Record("a", Config(dims=(3, 2)), tmp_path),
        Record("a", Config(optimiser=Optimiser(2e-3)), tmp_path),
    ]
    assert len({record.directory for record in others} | {directory}) == 5
    assert not list(tmp_path.iterdir())


def test_an_interrupted_run_resumes(tmp_path):
    starts = []

    def count_to_six(config, record):
        checkpoints = ex.Checkpoints(record.directory / "checkpoints", record.plain_config)
        found = checkpoints.restore({"sum": jnp.zeros(())})
        step, state = (0, {"sum": jnp.zeros(())}) if found is None else found[:2]
        starts.append(step)
        with record.stage("sum"):
            for step in range(step + 1, 7):
                state = {"sum": state["sum"] + step}
                checkpoints.save(step, state)
                if step == 3 and len(starts) == 1:
                    raise KeyboardInterrupt
        return {"sum": state["sum"]}

    with pytest.raises(KeyboardInterrupt):
        execute(count_to_six, Config(), tmp_path)
    record = Record("test_record", Config(), tmp_path)
    before = record.timings["sum"]
    assert not record.complete
    with pytest.raises(ValueError, match=r"is not complete; run `python -m runs.test_record` first"):
        record.load()
    assert execute(count_to_six, Config(), tmp_path).load()[0] == {"sum": 21.0}
    assert starts == [0, 3]
    # The time of the first attempt counts.
    assert record.timings["sum"] > before


def test_a_folder_that_takes_no_results_is_found_before_the_work(tmp_path):
    def unwanted(config, record):
        raise AssertionError("worked in vain")

    (tmp_path / "file").write_text("")
    (tmp_path / "broken").symlink_to("nowhere")
    for root in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "broken"):
        with pytest.raises(NotADirectoryError, match="is not a folder, so that nothing can be written in"):
            execute(unwanted, Config(), root)


def test_results_of_another_configuration_are_refused(tmp_path):
    record = execute(area, Config(), tmp_path)
    file = record.directory / "config.json"
    edited = json.loads(file.read_text()) | {"noise_std": 0.5, "optimiser": {"learning_rate": 1e-2}}
    file.write_text(json.dumps(edited))
    for use in (lambda: Record("test_record", Config(), tmp_path), lambda: find("test_record", Config(), tmp_path)):
        with pytest.raises(ValueError, match="is not the configuration whose hash") as error:
            use()
        message = str(error.value)
        assert str(file) in message
        assert "`noise_std` is 1 here, 0.5 there; `optimiser.learning_rate` is 0.001 here, 0.01 there" in message
        assert "dims" not in message and "seed" not in message


@pytest.mark.parametrize("name", ["arrays.npz", "metrics.json", "config.json"])
def test_a_damaged_file_is_named(tmp_path, name):
    record = execute(area, Config(), tmp_path)
    os.truncate(record.directory / name, (record.directory / name).stat().st_size // 2)
    with pytest.raises(ValueError, match=f"{name} cannot be read .*Move .* away and run again"):
        Record("test_record", Config(), tmp_path).load()


class Harm:
    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path(os.environ["ENTROPAX_TEST_HARM"]),)


def test_nothing_is_pickled_nor_unpickled(tmp_path, monkeypatch):
    monkeypatch.setenv("ENTROPAX_TEST_HARM", str(tmp_path / "harm"))
    record = execute(area, Config(), tmp_path)
    with pytest.raises(ValueError, match="`harm` must be numbers or text .* got object"):
        record.save(harm=np.asarray([Harm()]))
    with pytest.raises(ValueError, match="`half` must be numbers or text .* got bfloat16"):
        record.save(half=jnp.zeros(3, jnp.bfloat16))
    np.savez(record.directory / "arrays.npz", harm=np.asarray([Harm()]))
    with pytest.raises(ValueError, match="arrays.npz cannot be read"):
        record.load()
    assert not (tmp_path / "harm").exists()
    # The trap was a real one.
    pickle.loads(pickle.dumps(Harm()))
    assert (tmp_path / "harm").exists()


@dataclasses.dataclass(frozen=True)
class Unfit:
    path: pathlib.Path = pathlib.Path("x")


def test_config_and_metrics_must_be_json(tmp_path):
    with pytest.raises(ValueError, match="`path` must be what JSON can hold"):
        Record("a", Unfit(), tmp_path)
    record = Record("a", Config(), tmp_path)
    with pytest.raises(TypeError, match="metrics hold what JSON holds, arrays and estimates; got set"):
        record.finish({"seen": {1, 2}})
    assert not record.complete


# Each dies in the middle of writing one of the files, half of it being on the disk.
@pytest.mark.parametrize("name", ["arrays.npz", "config.json", "metrics.json"])
def test_killed_while_writing_it_is_not_complete(tmp_path, name):
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})
from test_record import area, Config
from runs._record import execute

rename = os.replace
def replace(source, target):
    if os.path.basename(target) == {name!r}:
        os.truncate(source, os.path.getsize(source) // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target)
os.replace = replace
execute(area, Config(), sys.argv[1])
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    died = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], env=environment, capture_output=True, check=False
    )
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    record = Record("test_record", Config(), tmp_path)
    assert not record.complete and not (record.directory / name).exists()
    assert execute(area, Config(), tmp_path).load()[0]["area"] == 6
    assert calls_in(tmp_path) == 2


def test_the_command_line_takes_a_preset_and_single_fields(tmp_path, capsys):
    of = lambda *args: main(PRESETS, area, list(args), tmp_path).config
    assert of() == Config()
    assert of("--preset", "smoke") == PRESETS["smoke"]
    assert of("--preset=paper", "--noise-std", "0.6") == Config(dims=(25, 15), noise_std=0.6)
    assert of("--noise-std", "-0.5", "--preset", "smoke", "--seed", "3") == Config(-0.5, (1,), seed=3)
    assert of("--optimiser.learning-rate", "0.1", "--dims", "4", "5") == Config(1.0, (4, 5), Optimiser(0.1))
    assert calls_in(tmp_path) == 5
    capsys.readouterr()
    # What a field is set to is what counts, not how.
    assert of("--preset", "smoke", "--dims", "2", "3") == Config()
    assert calls_in(tmp_path) == 5
    shown = capsys.readouterr().out
    assert "Complete already" in shown and "20.0000 ± 0.5000" in shown
    assert [line.split()[1::2] for line in shown.splitlines() if "area" in line] == [["area", "6"]]


@pytest.mark.parametrize("args", [["--preset", "huge"], ["--noise-std", "much"], ["--noise", "1"], ["1"]])
def test_the_command_line_refuses_what_it_does_not_know(tmp_path, capsys, args):
    with pytest.raises(SystemExit) as error:
        main(PRESETS, area, args, tmp_path)
    assert error.value.code == 2
    shown = capsys.readouterr()
    assert args[-1] in shown.out + shown.err
    assert not list(tmp_path.iterdir())


def test_help_names_presets_and_fields(tmp_path, capsys):
    with pytest.raises(SystemExit) as error:
        main(PRESETS, area, ["--help"], tmp_path)
    assert error.value.code == 0
    shown = capsys.readouterr().out
    assert "python -m runs.test_record" in shown and "--noise-std FLOAT" in shown
    assert "--preset {smoke,default,paper}" in shown
