"""The forward clock s and the reverse clock t = T - s: a density that is washed out, and put together again.

    just run clocks

A mixture in one dimension. Forward paths are solves of the forward SDE from samples of the data, reverse paths solves
of the reverse SDE with the exact score from N(0, 1), both in terms of the library; beside them the exact density p(x,
s), and the entropy produced up to s, what a model has to know to come back from there ("Diffusion models are Kelly
gamblers", App. G and Eq. (4)).

Half a minute. Expected: both ends of the paths are draws of the same law as the data and as noise, by the energy
distance and its error, and the entropy is the data's divergence from noise.
"""

import dataclasses
from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from scipy.stats import norm

import entropax as ex
from runs._gaussian import PROCESS
from runs._record import main, pair, Record


@dataclasses.dataclass(frozen=True)
class Config:
    """What diffuses.

    **Arguments:**

    - `weights`, `means`, `stds`: of the mixture.
    - `paths`, `shown`: how many are solved, and kept.
    - `steps`: of each.
    - `grid`: points at which there is a density, along x and along s.
    - `samples`: of the entropy.
    """

    seed: int = 0
    weights: tuple[float, ...] = (0.5, 0.2, 0.3)
    means: tuple[float, ...] = (-1.6, 0.3, 1.7)
    stds: tuple[float, ...] = (0.15, 0.1, 0.25)
    paths: int = 1_000
    shown: int = 12
    steps: int = 400
    grid: tuple[int, int] = (241, 161)
    samples: int = 20_000


PRESETS = {
    "smoke": Config(paths=100, steps=50, samples=1_000),
    "default": Config(),
    "paper": Config(paths=10_000, steps=2_000, samples=200_000),
}


def mixture(config: Config) -> ex.data.GaussianMixture:
    return ex.data.GaussianMixture(
        np.array(config.weights), np.array(config.means)[:, None], np.array(config.stds)[:, None, None] ** 2
    )


def forward_paths(x: jax.Array, times: jax.Array, *, key) -> jax.Array:
    """Solves of the forward SDE from `x`, at `times`, shape `(times, batch, 1)`."""
    path = ex.terms.GridBrownianPath(times, key, x.shape, dfx.BrownianIncrement)
    solution = dfx.diffeqsolve(
        ex.terms.forward(PROCESS, path),
        dfx.Euler(),
        times[0],
        times[-1],
        None,
        x,
        stepsize_controller=dfx.StepTo(times),
        saveat=dfx.SaveAt(ts=times),
        max_steps=None,
    )
    assert solution.ys is not None
    return solution.ys


def density(config: Config, x: np.ndarray, s: np.ndarray) -> np.ndarray:
    """p(x, s), shape `(x, s)`."""
    scale, std = (
        np.asarray(jax.vmap(f)(jnp.asarray(s, jnp.float32)), np.float64) for f in (PROCESS.mean_factor, PROCESS.std)
    )
    parts = [
        weight * norm.pdf(x[:, None], scale * mean, np.hypot(scale * width, std))
        for weight, mean, width in zip(config.weights, config.means, config.stds)
    ]
    return np.sum(parts, 0)


def divergence(law: ex.data.GaussianMixture) -> float:
    """KL(p ‖ N(0, 1)), by quadrature."""
    x = np.linspace(-8, 8, 200_001)
    logs = law.log_prob(x[:, None])
    return float(np.trapezoid(np.exp(logs) * (logs - norm.logpdf(x)), x))


def run(config: Config, record: Record) -> dict[str, Any]:
    data_key, forward_key, reverse_key, fresh_key, measure_key = jr.split(jr.key(config.seed), 5)
    law = mixture(config)
    x, _ = law.sample(data_key, config.paths)
    times = jnp.linspace(0.0, PROCESS.T, config.steps + 1)
    washed = forward_paths(x, times, key=forward_key)
    # From T to where the noise is a hundredth of the data, on the process's own clock.
    sampler = ex.Sampler(
        solver=dfx.Euler(),
        steps=config.steps,
        clock=PROCESS,
        churn=1.0,
        log_snr_range=(float(PROCESS.log_snr(times[-1])), 9.0),
    )
    start_key, path_key = jr.split(reverse_key)
    back = ex.trajectory(PROCESS, law.denoiser(), jr.normal(start_key, x.shape), key=path_key, sampler=sampler)
    reverse_times = jax.vmap(PROCESS.time)(back.log_snr)
    scale = jax.vmap(PROCESS.std)(reverse_times) / jnp.sqrt(jax.nn.sigmoid(-back.log_snr))
    returned = back.z * scale[:, None, None]
    fresh, _ = law.sample(fresh_key, config.samples)
    entropy = ex.total_entropy(law.denoiser(), fresh, key=measure_key)
    assert entropy.profile is not None
    s, rate, _ = entropy.profile.in_time(PROCESS)
    produced = entropy.profile.cumulative()[::-1][: len(s)]
    grid_x, grid_s = np.linspace(-3.4, 3.4, config.grid[0]), np.linspace(1e-4, PROCESS.T, config.grid[1])
    record.save(
        times=times,
        forward=washed[:, : config.shown, 0],
        reverse_times=reverse_times,
        reverse=returned[:, : config.shown, 0],
        grid_x=grid_x,
        grid_s=grid_s,
        density=density(config, grid_x, grid_s),
        data_density=np.exp(law.log_prob(grid_x[:, None])),
        entropy_times=s,
        entropy_rate=rate,
        produced=produced,
    )
    noise = jr.normal(fresh_key, x.shape)
    distances = {
        "forward end, noise": ex.distance.energy_distance(np.asarray(washed[-1]), np.asarray(noise)),
        "reverse end, data": ex.distance.energy_distance(np.asarray(returned[-1]), np.asarray(fresh[: config.paths])),
    }
    return {
        "energy_distance": distances,
        "total_entropy": {"exact": divergence(law)} | pair(entropy),
    }


if __name__ == "__main__":
    main(PRESETS, run)
