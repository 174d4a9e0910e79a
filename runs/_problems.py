"""What a sweep samples, and all that is known about it."""

import dataclasses
import functools
import os
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from entropax import distance
from runs import digits
from runs._record import Record
from runs._settings import GridName, ProblemName, Setting


# The range of λ over which entropy is dissipated is that of settings by default.
LOG_SNR_RANGE = Setting.log_snr_range


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    r"""A law to be sampled given conditions.

    What distances see is a row of features for each sample: of vectors their conditions too, so that samples which
    ignore theirs are found out.

    **Arguments:**

    - `denoiser`: exact, or a trained network.
    - `y`: the conditions that samples are drawn for.
    - `real`, `other_real`: independent real pairs of sample and condition, as many as there are conditions.
    - `features`: of samples and their conditions.
    - `moments`: mean and covariance of the features, exact where they are known.
    - `log_density`: of rows of features, in nats; `None` where it is not known.
    - `log_densities`: of features by mode, shape `(samples, modes)`, as [`entropax.distance.mode_occupancy`][] wants
        them, and the weights of the modes; `None` where there are no modes.
    """

    denoiser: ex.AbstractDenoiser
    y: jax.Array
    real: tuple[jax.Array, jax.Array]
    other_real: tuple[jax.Array, jax.Array]
    features: Callable[[jax.Array, jax.Array], np.ndarray]
    moments: tuple[np.ndarray, np.ndarray]
    log_density: Callable[[np.ndarray], np.ndarray] | None = None
    log_densities: tuple[Callable[[np.ndarray], np.ndarray], np.ndarray] | None = None

    @functools.cached_property
    def entropy_rate(self) -> ex.Estimate:
        """The rate at which entropy is produced along λ, given conditions: what entropic grids follow."""
        x, y = self.real
        integrator = ex.Integrator(nodes=ex.GaussLegendre(), log_snr_range=LOG_SNR_RANGE)
        return ex.conditional_entropy(self.denoiser, x, y, key=jr.key(3), integrator=integrator)


def grid_of(setting: Setting, problem: Problem) -> ex.solve.AbstractGrid:
    """The grid of a setting."""
    grids: dict[GridName, Callable[[], ex.solve.AbstractGrid]] = {
        "karras": lambda: ex.solve.Karras(7.0 if setting.grid_parameter is None else setting.grid_parameter),
        "log_snr": ex.solve.UniformLogSNR,
        "time": ex.solve.UniformTime,
        "cosine": ex.solve.CosineGrid,
        "entropic": lambda: ex.solve.Entropic(problem.entropy_rate),
    }
    return grids[setting.grid]()


def gaussian(num: int, seed: int, root: str | os.PathLike[str]) -> Problem:
    """A vector in three dimensions given two numbers: all laws are known, the conditional ones among them."""
    del root
    law = ex.data.JointGaussian.random(jr.key(10), dim_x=3, dim_y=2, noise_std=0.3)
    cross = law.cov_x @ law.matrix_a.T
    cov = np.block([[law.cov_x, cross], [cross.T, law.cov_y]])
    # In units in which all of it is N(0, I), where neighbours are as far in every direction.
    whiten = np.linalg.inv(np.linalg.cholesky(cov)).T
    log_density = lambda features: -0.5 * np.sum(np.asarray(features) ** 2 + np.log(2 * np.pi), 1)
    draws = [law.sample(key, num) for key in jr.split(jr.key(seed), 3)]
    features = lambda x, y: np.concatenate([x, y], 1).astype(np.float64) @ whiten
    moments = np.zeros(len(cov)), np.eye(len(cov))
    return Problem(law.denoiser(), draws[0][1], draws[1], draws[2], features, moments, log_density)


def mixture(num: int, seed: int, root: str | os.PathLike[str]) -> Problem:
    """Nine narrow Gaussians in the plane, in three classes of three: what is hard is to cover them all."""
    del root
    means = ex.data.GaussianMixture.random(jr.key(4), num_components=9, dim=2, box=1.5, std=0.1).means
    weights, covs = np.full(9, 1 / 9), np.broadcast_to(0.01 * np.eye(2), (9, 2, 2))
    law = ex.data.GaussianMixture(weights, means, covs, np.arange(9) % 3)
    centre = weights @ means
    cov = covs[0] + (means - centre).T @ (weights[:, None] * (means - centre))

    def log_densities(features):
        squares = ((np.asarray(features)[:, None] - means) ** 2).sum(-1) / 0.01
        return -0.5 * squares - np.log(2 * np.pi * 0.01)

    draws = [law.sample(key, num) for key in jr.split(jr.key(seed), 3)]
    return Problem(
        law.denoiser(),
        draws[0][1],
        draws[1],
        draws[2],
        lambda x, y: np.asarray(x, np.float64),
        (centre, cov),
        law.log_prob,
        (log_densities, weights),
    )


def handwritten(num: int, seed: int, root: str | os.PathLike[str]) -> Problem:
    """Digits given their labels, by the network of `runs.digits`, which is trained where it is not yet. Real are those
    that the network has not seen and as many of those that it has."""
    from sklearn.linear_model import LogisticRegression

    del seed
    config = digits.PRESETS["default"]
    record = Record("digits", config, root)
    checkpoints = ex.Checkpoints(record.directory / "checkpoints", record.plain_config)
    model = digits.fit(config.seed, config.steps, checkpoints=checkpoints).denoiser
    (x, y), (x_unseen, y_unseen) = digits.split(config.seed)
    if num > len(x_unseen):
        raise ValueError(f"`samples` must be at most {len(x_unseen)}, the digits that were held back; got {num}.")
    # Which digit a sample shows is read by a classifier that knows the training images.
    reader = LogisticRegression(max_iter=2000).fit(np.asarray(x), np.asarray(y))

    def log_densities(features):
        shown = reader.predict(features)
        return np.where(shown[:, None] == np.arange(10), 0.0, -np.inf)

    real = x_unseen[:num], y_unseen[:num]
    features = lambda x, y: np.asarray(x, np.float64)
    return Problem(
        model,
        y[num : 2 * num],
        real,
        (x[:num], y[:num]),
        features,
        distance.moments(features(*real)),
        log_densities=(log_densities, np.bincount(np.asarray(y[num : 2 * num]), minlength=10) / num),
    )


PROBLEMS: dict[ProblemName, Callable[[int, int, str | os.PathLike[str]], Problem]] = {
    "gaussian": gaussian,
    "mixture": mixture,
    "digits": handwritten,
}


@eqx.filter_jit
def dissipation(denoiser: ex.AbstractDenoiser, log_snr: jax.Array, z: jax.Array, y: jax.Array) -> jax.Array:
    r"""The entropy that goes into each of a batch of samples along its path, $\tfrac12\int \|\hat\varepsilon -
    \hat\varepsilon_\mathrm{eq}\|^2\,\mathrm{d}\lambda$ by trapezoids, shape `(batch,)`.

    **Arguments:**

    - `log_snr`: the nodes, shape `(nodes,)`.
    - `z`: the states there, shape `(nodes, batch, *shape)`.
    """
    gap = lambda z, log_snr, y: jnp.sum((denoiser(z, log_snr, y) - ex.Equilibrium()(z, log_snr)) ** 2)
    rates = jax.lax.map(lambda node: 0.5 * jax.vmap(gap, (0, None, 0))(node[0], node[1], y), (z, log_snr))
    return jnp.sum(0.5 * (rates[1:] + rates[:-1]) * jnp.diff(log_snr)[:, None], 0)


def diffused(x: jax.Array, key: jax.Array, nodes: int = 256) -> tuple[jax.Array, jax.Array]:
    """Real samples on their way, as [`dissipation`][] takes paths: what an exact sampler would pass through."""
    log_snr = jnp.linspace(*LOG_SNR_RANGE, nodes)
    eps = jr.normal(key, (nodes, *x.shape))
    return log_snr, jax.vmap(lambda a, eps: jax.vmap(ex.diffuse, (0, None, 0))(x, a, eps))(log_snr, eps)
