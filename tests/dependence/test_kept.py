"""What an interrupted estimate had found is found again, to the bit, and never taken for that of anything else."""

import dataclasses
import errno
import os
import warnings

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from entropax import dependence
from entropax.dependence import _classifiers, _cross_fitting
from entropax.dependence._cross_fitting import array_of, as_array, kept, NotKeptWarning


RNG = np.random.default_rng(0)
X, NOISE = RNG.normal(size=(2, 240, 2))
Y = np.where(X > 0, X, -0.3 * X) + 0.5 * NOISE
LABELS = (X[:, 0] + 0.5 * NOISE[:, 0] > 0).astype(int)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """One block, on one device: most of the time goes into compiling."""
    monkeypatch.setattr("entropax.dependence._network._DEPTH", 1)
    monkeypatch.setattr(_cross_fitting, "_DRAWS", 4_000)
    with jax.default_device(jax.devices()[0]):
        yield


def measured(found: dependence.Dependence) -> dict:
    return {
        "value": found.value,
        "stderr": found.stderr,
        "fitted": found.fitted,
        "halved": found.halved,
        "p_value": found.p_value,
        "pointwise": found.pointwise.tolist(),
    }


def of_numbers(folder):
    return dependence.mutual_information(X, Y, fitting=dataclasses.replace(FITTING, checkpoint=folder), key=jr.key(0))


def of_labels(folder):
    fitting = dataclasses.replace(FITTING, checkpoint=folder)
    return dependence.mutual_information(X, LABELS, fitting=fitting, key=jr.key(0))


FITTING = dependence.CrossFitting(folds=2, steps=240)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "measure, module, name", [(of_numbers, _cross_fitting, "train"), (of_labels, _classifiers, "probabilities")]
)
def test_interrupted_anywhere_the_numbers_are_the_same(tmp_path, monkeypatch, measure, module, name):
    expected, work, calls = measured(measure(None)), getattr(module, name), []
    assert not list(tmp_path.iterdir())
    # One after the other, so that the moments of interruptions are what they are.
    monkeypatch.setattr(_cross_fitting.os, "cpu_count", lambda: 1)

    def stopping(after):
        def one(*arguments, **settings):
            if len(calls) == after:
                raise KeyboardInterrupt
            calls.append(1)
            return work(*arguments, **settings)

        return one

    stops = range(1, 4)
    for after in stops:
        monkeypatch.setattr(module, name, stopping(after))
        with pytest.raises(KeyboardInterrupt):
            measure(tmp_path)
        # Each start does one more, and none again.
        assert len(calls) == after
    monkeypatch.setattr(module, name, stopping(1_000))
    assert measured(measure(tmp_path)) == expected
    # Once more nothing at all is done: neither fits nor measurements nor derangements.
    before = len(calls)
    for other in ("improvements", "_measured"):
        monkeypatch.setattr(_cross_fitting, other, lambda *arguments: 1 / 0)
    assert measured(measure(tmp_path)) == expected and len(calls) == before


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_nothing_else_is_taken_for_it(tmp_path, monkeypatch):
    """Whatever the result depends on makes another one."""
    seen = []

    def counted(*arguments, **settings):
        seen.append(1)
        return _cross_fitting.Round([], np.zeros((1, 2)))

    monkeypatch.setattr(_cross_fitting, "train", counted)

    def fits(x=X, y=Y, key=0, **settings):
        fitting = dataclasses.replace(FITTING, checkpoint=tmp_path, **settings)
        before = len(seen)
        dependence.mutual_information(x, y, fitting=fitting, key=jr.key(key))
        return len(seen) - before

    # Two halves, two folds.
    assert fits() == 4 and fits() == 0
    # Two samples trade places, the columns do, a variable does.
    swapped = X.copy()
    swapped[[0, 1]] = X[[1, 0]]
    assert fits(x=swapped) == 4 and fits(x=X[:, ::-1]) == 4 and fits(x=Y, y=X) == 4
    assert fits(key=1) == 4 and fits(steps=480_000) == 4 and fits(learning_rate=1e-3) == 4
    assert fits(batch_size=64) == 4 and fits(folds=3) == 5
    assert fits() == 0


def test_digests_see_structure_and_kind(tmp_path):
    found = []

    def once(*parts):
        return kept(tmp_path, parts, lambda: np.asarray(found.append(1) or len(found)), pack=as_array, unpack=array_of)

    parts = [
        ((0,), (1, 2)),
        ((0, 1), (2,)),
        ((0, 1), (2.0,)),
        (("0", 1), (2,)),
        (np.zeros((2, 3)),),
        (np.zeros((3, 2)),),
        (np.zeros((2, 3), np.float32),),
        (jnp.zeros((2, 3), jnp.int32),),
        (jr.key(0),),
        (jr.key(1),),
        (None, 1),
        (1, None),
    ]
    numbers = [int(once(*part)) for part in parts]
    assert numbers == list(range(1, len(parts) + 1)) == [int(once(*part)) for part in parts]


def test_a_damaged_file_is_made_again(tmp_path):
    once = lambda value: kept(tmp_path, ["one"], lambda: np.asarray(value), pack=as_array, unpack=array_of)
    once(1.5)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    for damage in (b"", content[: len(content) // 2], content.replace(b"descr", b"rcsed"), b"PK and no more"):
        file.write_bytes(damage)
        with pytest.warns(UserWarning, match="is damaged .*computed again"):
            assert once(1.5) == 1.5
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert once(2.5) == 1.5


@pytest.mark.parametrize(
    "error", [RuntimeError("File is encrypted"), NotImplementedError("compression"), MemoryError()]
)
def test_whatever_reading_raises_the_result_is_made_again(tmp_path, monkeypatch, error):
    once = lambda value: kept(tmp_path, ["one"], lambda: np.asarray(value), pack=as_array, unpack=array_of)
    once(1.5)

    def refuse(*arguments, **settings):
        raise error

    with monkeypatch.context() as patch, pytest.warns(UserWarning, match="is damaged .*computed again"):
        patch.setattr(np, "load", refuse)
        assert once(2.5) == 2.5
    assert once(3.5) == 2.5


def test_what_cannot_be_kept_is_returned(tmp_path, monkeypatch):
    def full(file, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    once = lambda folder: kept(folder, ["one"], lambda: np.asarray(1.5), pack=as_array, unpack=array_of)
    monkeypatch.setattr("entropax.dependence._cross_fitting.write", full)
    with pytest.warns(NotKeptWarning, match=r"cannot be kept in '.*' \(No space left on device\): the work goes on"):
        assert once(tmp_path) == 1.5
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="`checkpoint` must be a folder; '.*file' is none"):
        once(tmp_path / "file")
