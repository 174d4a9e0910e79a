"""What the runs of the tower and of samples through the latent say of their models, where it is known; the runs."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

import entropax as ex
from runs import latent_generation, tower
from runs._record import execute
from tests.runs.test_latents import untrained


class _Heard(ex.AbstractDenoiser):
    """Says what it hears."""

    @property
    def log_snr_range(self):
        return -6.0, 6.0

    def __call__(self, z, log_snr, y=None):
        return jnp.zeros_like(z) if y is None else jnp.broadcast_to(y.sum(), z.shape)


def test_a_silent_band_hears_nothing():
    bands = ex.latent.Bands(_Heard(), (-1.0, 2.0))
    latents = tuple(jnp.full(1, value) for value in (1.0, 10.0, 100.0))
    said = lambda denoiser: [float(denoiser(jnp.ones(1), jnp.asarray(a), latents)[0]) for a in (-6.0, 0.0, 2.5, 6.0)]
    assert said(bands) == [1.0, 10.0, 100.0, 100.0]
    assert said(tower.silent(bands, -1.0, np.inf)) == [1.0, 0.0, 0.0, 0.0]
    assert said(tower.silent(bands, -np.inf, 2.0)) == [0.0, 0.0, 100.0, 100.0]
    assert said(tower.silent(bands, -7.0, np.inf)) == [0.0] * 4
    assert said(tower.silent(bands, 7.0, np.inf)) == said(bands)


def test_what_is_measured_of_samples_is_known_of_gaussians():
    rng = np.random.default_rng(0)
    classes, dim, each = latent_generation.models.CLASSES, 3, 400
    y = np.repeat(np.arange(classes), each)
    draw = lambda size, shift: (size * rng.normal(size=(len(y), dim)) + 20 * y[:, None] + shift).astype(np.float32)

    class Nearest:
        def predict(self, x):
            return np.clip(np.rint(x.mean(1) / 20), 0, classes - 1).astype(int)

    real, like, narrow, beside = draw(1, 0), draw(1, 0), draw(0.5, 0), draw(1, 20)
    found = [latent_generation.measured(x, y, (real, y), Nearest()) for x in (like, narrow, beside)]
    # Of one law, but for chance.
    assert abs(found[0]["energy_distance"]["value"]) < 4 * found[0]["energy_distance"]["stderr"]
    np.testing.assert_allclose([one["spread"] for one in found], [1, 0.5, 1], rtol=0.05)
    # 2 E|X - Y| - E|X - X'| - E|Y - Y'|, where E|N(0, s² I)| in three dimensions is 2 s √(2/π).
    length = lambda variance: 2 * np.sqrt(2 * variance / np.pi)
    exact = 2 * length(1.25) - length(2) - length(0.5)
    np.testing.assert_allclose(found[1]["energy_distance"]["value"], exact, rtol=0.1)
    # The next class, but for the last, which has none.
    assert [one["read_as_asked"]["value"] for one in found] == [1.0, 1.0, 0.1]


@pytest.mark.slow
def test_the_whole_of_the_tower(tmp_path):
    with untrained():
        metrics, arrays = execute(tower.run, tower.PRESETS["smoke"], tmp_path).load()
    assert list(metrics["bands"]) == ["0.3 to 1", "0.1 to 0.3", "0 to 0.1"]
    levels = [band["log_snr"] for band in metrics["bands"].values()]
    assert [low for low, _ in levels[1:]] == [high for _, high in levels[:-1]]
    # All bands are all bands, whichever are counted first.
    np.testing.assert_allclose(arrays["coarse_3"], arrays["fine_3"], atol=1e-5)
    np.testing.assert_allclose(arrays["coarse_0"], arrays["fine_0"], atol=1e-5)
    for band in metrics["bands"].values():
        assert band["I(Z;Y)"]["posterior"]["value"] <= metrics["H(Y)"]


@pytest.mark.slow
def test_the_whole_of_samples_through_the_latent(tmp_path):
    config = dataclasses.replace(latent_generation.PRESETS["smoke"], weights=(0.0,))
    with untrained():
        metrics, arrays = execute(latent_generation.run, config, tmp_path).load()
    assert metrics["real"]["read_as_asked"]["value"] > 0.8 and metrics["real"]["spread"] == 1
    assert arrays["latent, w = 0"].shape == arrays["direct, w = 0"].shape == arrays["real"].shape == (20, 1, 8, 8)
    # Images of the training are like unseen ones, and draws of networks of twenty steps are not.
    assert metrics["training images"]["energy_distance"]["value"] < metrics["direct, w = 0"]["energy_distance"]["value"]
