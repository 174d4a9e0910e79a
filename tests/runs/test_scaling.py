"""What a network stores by the number of its images: slopes, a law for which all is known, and a run that goes on."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.stats import linregress

import entropax as ex
from runs import scaling
from runs._record import execute


def test_slopes_are_those_of_least_squares():
    generator = np.random.default_rng(0)
    counts = np.repeat([90, 180, 360, 720, 1437], 3)
    values = 2.5 * np.log(counts) + generator.normal(size=15)
    found, known = scaling.slope(counts, values)["slope"], linregress(np.log(counts), values)
    expected = [getattr(known, name) for name in ("slope", "stderr")]
    np.testing.assert_allclose([found["value"], found["stderr"]], expected, rtol=1e-9)
    # A line has no curvature, beyond its error; a parabola has its own.
    curvature = scaling.slope(counts, values)["curvature"]
    assert abs(curvature["value"]) < 3 * curvature["stderr"]
    logs = np.log(counts)
    bent = scaling.slope(counts, 0.7 * (logs - logs.mean()) ** 2 + values)["curvature"]
    np.testing.assert_allclose(bent["value"] - curvature["value"], 0.7, rtol=1e-9)
    # Two points make no parabola, and have no scatter about a line.
    assert set(scaling.slope([90, 180], [0.0, 1.0])) == set()
    assert set(scaling.slope([90, 180, 180], [0.0, 1.0, 1.1])) == {"slope"}


class _Labelled(ex.AbstractDenoiser):
    """A denoiser whose predictions hardly depend on the label."""

    denoiser: ex.AbstractDenoiser

    @property
    def log_snr_range(self):
        return self.denoiser.log_snr_range

    def __call__(self, z, log_snr, y=None):
        alone = self.denoiser(z, log_snr)
        return alone if y is None else alone + 1e-5 * (y.astype(z.dtype) - 4.5)

    def dimension(self, x, y=None):
        return self.denoiser.dimension(x)


@pytest.mark.slow
def test_independent_pixels_have_no_total_correlation(getkey):
    logs = jax.nn.log_softmax(1.5 * jr.normal(getkey(), (8, scaling.LEVELS)))
    place_key, level_key = jr.split(getkey())
    index = jr.categorical(level_key, logs, shape=(2000, 8))
    x = 2 * (index.astype(jnp.float32) + jr.uniform(place_key, (2000, 8))) / scaling.LEVELS - 1
    y = jnp.arange(2000) % 10
    exact = ex.Histogram(np.linspace(-1, 1, logs.shape[-1] + 1), logs)
    found = scaling.measure(_Labelled(exact), exact, x, y, x[:180], key=getkey(), nodes=16)
    entropy, gain = found["neural_entropy"], found["held_out"]
    assert found["total_correlation"].value == 0 and found["remainder"].value == entropy.value
    # The exact denoiser stores what it gains, and what single pixels tell, but for what lies above λ = 9.
    assert abs(entropy.value - gain.value) < 4 * np.hypot(entropy.stderr, gain.stderr)
    shares, bins = np.exp(np.asarray(logs, np.float64)), np.linspace(-1, 1, scaling.LEVELS + 1)
    density = np.log(shares * scaling.LEVELS / 2)
    second = (bins[1:] ** 3 - bins[:-1] ** 3) / 3 * scaling.LEVELS / 2
    known = np.sum(shares * (density + 0.5 * np.log(2 * np.pi) + 0.5 * second))
    assert 0.9 * known < entropy.value < known + 4 * entropy.stderr
    # Labels tell it next to nothing.
    assert abs(found["information"].value) < 1e-3


def test_the_marginals_are_those_of_the_pixels(getkey):
    x, _ = ex.data.digits(getkey())
    product = scaling.marginals(x[:1437])
    # What single pixels cost, against the entropy of their levels: those of images that it has not seen cost more.
    of_others = -jnp.mean(jax.vmap(product.log_density)(x[1437:]))
    own = -jnp.mean(jax.vmap(product.log_density)(x[:1437]))
    assert own < of_others < own + 3.0


def test_a_run_that_was_killed_goes_on(tmp_path, monkeypatch):
    done = []

    def piece(config, count, seed):
        if len(done) == 3:
            done.append(None)
            raise KeyboardInterrupt
        done.append((count, seed))
        value = {"value": 3.0 * np.log(count) + 0.01 * seed, "stderr": 0.1}
        return {"count": count, "seed": seed} | {s: dict.fromkeys(scaling.QUANTITIES, value) for s in scaling.STAGES}

    monkeypatch.setattr(scaling, "piece", piece)
    config = scaling.Config(counts=(90, 360), seeds=3)
    with pytest.raises(KeyboardInterrupt):
        execute(scaling.run, config, tmp_path)
    metrics, arrays = execute(scaling.run, config, tmp_path).load()
    assert sorted(pair for pair in done if pair) == [(count, seed) for count in (90, 360) for seed in range(3)]
    np.testing.assert_allclose(metrics["last"]["information"]["slope"]["value"], 3.0, rtol=1e-9)
    assert arrays["values"].shape == (6, 2, len(scaling.QUANTITIES))


@pytest.mark.parametrize("counts", [(90,), (1, 90), (90, 1438)])
def test_counts_that_there_are_not(counts):
    with pytest.raises(ValueError, match="`counts` must be two numbers or more from 2 to 1437"):
        scaling.Config(counts=counts)
