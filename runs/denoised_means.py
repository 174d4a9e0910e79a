"""How -log p(x) comes from noise that is put on x and taken off again: forward clouds, reverse swarms, denoised means.

    just run denoised_means

A mixture in two dimensions and a point x of it. Forward paths from x reach a cloud at time s; swarms of reverse paths
from points of the cloud land at s = 0, in the mean at their denoised means x̂ = E[x|x_s]; and -log p(x) is, up to what
is known of a Gaussian, the integral of B(s) E‖x̂ - x‖² over all noise levels ("Diffusion models are Kelly gamblers",
Eqs. (40) to (45), App. C and H). As s falls x̂ knows ever more of x: of a mixture in one dimension, its density and its
spread.

Half a minute. Expected: swarms land in the mean within their errors of x̂; -log p within two standard errors of the
exact value.
"""

import dataclasses
from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from runs._gaussian import PROCESS
from runs._record import main, pair, Record
from runs.clocks import forward_paths


@dataclasses.dataclass(frozen=True)
class Config:
    """What is looked at.

    **Arguments:**

    - `point`: x, in two dimensions.
    - `time`: s of the cloud.
    - `cloud`, `swarm`, `swarms`: points of the cloud, reverse paths from each of a few of them, and how many.
    - `steps`: of each path.
    - `noises`, `nodes`: draws for the integral, and noise levels for each.
    - `line`, `times`: the point in one dimension, and the times at which x̂ has a density.
    """

    seed: int = 1
    point: tuple[float, float] = (1.0, 0.55)
    time: float = 0.18
    cloud: int = 60
    swarm: int = 400
    swarms: int = 3
    steps: int = 300
    noises: int = 20_000
    nodes: int = 32
    line: float = 0.45
    times: tuple[float, ...] = (0.5, 0.22, 0.06)


PRESETS = {
    "smoke": Config(swarm=40, steps=40, noises=200, nodes=8),
    "default": Config(),
    "paper": Config(swarm=4_000, steps=2_000, noises=40_000),
}


def planar() -> ex.data.GaussianMixture:
    """Three ridges and a blob."""
    angles = np.array([0.4, 1.7, 2.8])
    turns = np.stack(
        [np.stack([np.cos(angles), np.sin(angles)], -1), np.stack([-np.sin(angles), np.cos(angles)], -1)], -1
    )
    ridges = turns @ np.diag([0.3, 0.01]) @ turns.transpose(0, 2, 1)
    means = np.array([[1.2, 0.6], [-1.1, 0.9], [0.2, -1.2], [-0.4, -0.2]])
    return ex.data.GaussianMixture(
        np.array([0.35, 0.25, 0.3, 0.1]), means, np.concatenate([ridges, [0.02 * np.eye(2)]])
    )


def linear() -> ex.data.GaussianMixture:
    """Narrow peaks on a line."""
    means = np.array([-1.6, -1.0, 0.2, 0.5, 1.5])
    return ex.data.GaussianMixture(np.full(5, 0.2), means[:, None], np.full((5, 1, 1), 0.06**2))


def landed(law: ex.data.GaussianMixture, starts: jax.Array, s: float, *, num: int, steps: int, key) -> np.ndarray:
    """Reverse paths from states at time s, shape `(nodes, starts, num, 2)`, in the units of the data."""
    log_snr = float(PROCESS.log_snr(jnp.asarray(s)))
    sampler = ex.Sampler(solver=dfx.ShARK(), steps=steps, clock=PROCESS, churn=1.0, log_snr_range=(log_snr, 9.0))
    # Of variance-preserving units the state itself.
    z = jnp.repeat(starts, num, 0)
    path = ex.trajectory(PROCESS, law.denoiser(), z, key=key, sampler=sampler)
    # What is left of the noise at the end, a ninetieth of the data, is taken off.
    last = jax.vmap(lambda z: ex.denoised_mean(PROCESS, law.denoiser(), z, PROCESS.time(path.log_snr[-1])))(path.z[-1])
    states = jnp.concatenate([path.z, last[None]])
    return np.asarray(states.reshape(-1, len(starts), num, 2))


def narrowing(config: Config) -> dict[str, np.ndarray]:
    """Of a point on a line: x_s, its density, x̂(x_s) and the density of x̂ at each of several times; and the spread of
    x̂, with its distance from x, along time."""
    law, x = linear(), config.line
    quantiles = np.linspace(-4, 4, 2_001)

    @jax.jit
    def means(s):
        states = PROCESS.mean_factor(s) * x + PROCESS.std(s) * jnp.asarray(quantiles, jnp.float32)
        mean = lambda state: ex.denoised_mean(PROCESS, law.denoiser(), state[None], s)[0]
        return states, *jax.vmap(jax.value_and_grad(mean))(states), PROCESS.std(s)

    weight = np.exp(-0.5 * quantiles**2)
    weight /= weight.sum()
    arrays = {"quantiles": quantiles}
    for s in config.times:
        states, found, slope, std = (np.asarray(part, np.float64) for part in means(jnp.float32(s)))
        # x̂ grows with x_s, so that its density is that of x_s over the slope.
        densities = np.exp(-0.5 * quantiles**2) / np.sqrt(2 * np.pi) / std / np.maximum(slope, 1e-6)
        arrays[f"means {s:g}"] = np.stack([states, found, densities])
    times = np.linspace(0.005, 0.95, 120)
    spreads = []
    for s in times:
        found = np.asarray(means(jnp.float32(s))[1], np.float64)
        mean = np.sum(weight * found)
        spreads.append([np.sqrt(np.sum(weight * (found - mean) ** 2)), np.sqrt(np.sum(weight * (found - x) ** 2))])
    grid = np.linspace(-2.2, 2.2, 800)
    data = np.stack([grid, np.exp(law.log_prob(grid[:, None]))])
    return arrays | {"line_data": data, "spread_times": times, "spreads": np.array(spreads).T}


def run(config: Config, record: Record) -> dict[str, Any]:
    law, s = planar(), jnp.asarray(config.time)
    forward_key, reverse_key, nll_key, data_key = jr.split(jr.key(config.seed), 4)
    x = jnp.asarray(config.point)
    times = jnp.linspace(0.0, config.time, config.steps + 1)
    clouds = forward_paths(jnp.tile(x, (config.cloud, 1)), times, key=forward_key)
    cloud = clouds[-1]
    means = jax.vmap(lambda state: ex.denoised_mean(PROCESS, law.denoiser(), state, s))(cloud)
    # Those of the cloud that are farthest apart in x̂.
    order = np.argsort(np.asarray(means[:, 0]))
    chosen = order[np.linspace(0, len(order) - 1, config.swarms).astype(int)]
    swarms = landed(law, cloud[chosen], config.time, num=config.swarm, steps=config.steps, key=reverse_key)
    ends = swarms[-1]
    errors = ends.std(1, ddof=1) / np.sqrt(config.swarm)
    apart = (ends.mean(1) - np.asarray(means)[chosen]) / errors
    points = {"chosen": x, "on a ridge": jnp.asarray([-1.1, 0.9]), "between": jnp.asarray([0.3, 0.3])}
    integrator = ex.Integrator(nodes=ex.Stratified(config.nodes))
    samples, _ = law.sample(data_key, 20_000)
    baseline = ex.Gaussian.fit(samples)
    known, arrays = {}, {}
    for name, point in points.items():
        many = jnp.tile(point, (config.noises, 1))
        found = ex.nll(law.denoiser(), many, key=nll_key, baseline=baseline, integrator=integrator)
        known[name] = {
            "point": np.asarray(point).tolist(),
            "exact": float(-law.log_prob(np.asarray(point)[None])[0]),
            "gaussian": float(-baseline.log_density(point)),
        } | pair(found)
        rates = {"data": ex.Loss(law.denoiser()), "gaussian": ex.Loss(baseline)}
        within = dataclasses.replace(integrator, log_snr_range=(-9.0, 12.0))
        curves = ex.integrate(rates, many, key=nll_key, integrator=within)
        for side, curve in curves.items():
            assert curve.profile is not None
            arrays[f"{side} {name}"] = np.stack([curve.profile.log_snr, curve.profile.rate, curve.profile.stderr])
    record.save(
        samples=samples[:4_000],
        forward=clouds[:, :20],
        cloud=cloud,
        means=means,
        chosen=chosen,
        swarms=swarms[:, :, :40],
        **arrays,
        **narrowing(config),
    )
    return {"landings": {"standard_errors_apart": np.round(apart, 2).tolist()}, "nll": known}


if __name__ == "__main__":
    main(PRESETS, run)
