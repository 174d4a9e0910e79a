"""The cost of drawing samples. `just bench sample`

A network fitted to digits, DPM-Solver++(2M) on one grid from one initial noise, four ways: `ex.decode`; the same within
`jax.jit`, which takes off what a call costs beside its computation; the same solver as a `lax.scan` written by hand and
compiled as that is; and, where `pip install "entropax[peers]"` has been done, the loop about a scheduler of diffusers
with the network in PyTorch. All must arrive at the same samples. Rounds alternate, so that
what else the machine does falls on all alike; the factors are medians over rounds.
"""

import importlib.util
import time

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import rich.console
import rich.table

import entropax as ex


BATCHES, EVALUATIONS, ROUNDS = (16, 128, 1024), (10, 50), 15
PROCESS = ex.VariancePreserving()
OURS, COMPILED, BY_HAND, DIFFUSERS = "entropax", "entropax in jax.jit", "lax.scan by hand", "diffusers"


def by_hand(model, log_snr):
    """DPM-Solver++(2M) as one would write it, with the last denoised mean."""

    def mean(z, at):
        denoise = lambda z: (z - jnp.sqrt(jax.nn.sigmoid(-at)) * model(z, at)) / jnp.sqrt(jax.nn.sigmoid(at))
        return jax.vmap(denoise)(z)

    def step(carry, inputs):
        z, before, h_before = carry
        at, after = inputs
        h = 0.5 * (after - at)
        data = mean(z, at)
        # At the first step there is nothing before, of which h = ∞ says so.
        ahead = data + 0.5 * h / h_before * (data - before)
        keep = jnp.sqrt(jax.nn.sigmoid(-after) / jax.nn.sigmoid(-at))
        z = keep * z - jnp.sqrt(jax.nn.sigmoid(after)) * jnp.expm1(-h) * ahead
        return (z, data, h), None

    @jax.jit
    def draw(latent):
        start = latent, jnp.zeros_like(latent), jnp.asarray(jnp.inf)
        (z, _, _), _ = jax.lax.scan(step, start, (log_snr[:-1], log_snr[1:]))
        return mean(z, log_snr[-1])

    return draw


def by_diffusers(model, log_snr):
    """The loop that users of diffusers write."""
    import torch  # pyright: ignore[reportMissingImports]
    from diffusers import DPMSolverMultistepScheduler  # pyright: ignore[reportMissingImports]

    from benchmarks._torch_flow import TorchFlow

    flow = TorchFlow(PROCESS, model)
    ratios = torch.tensor(np.exp(-0.5 * np.asarray(log_snr)))
    scheduler = DPMSolverMultistepScheduler(
        algorithm_type="dpmsolver++", solver_order=2, lower_order_final=False, final_sigmas_type="sigma_min"
    )

    @torch.inference_mode()
    def draw(latent):
        z = torch.tensor(latent)
        # The grid is ours: of the scheduler's own it keeps the number of steps alone.
        scheduler.set_timesteps(len(ratios) - 1)
        scheduler.sigmas = ratios
        for i, t in enumerate(scheduler.timesteps):
            z = scheduler.step(flow.noise(z, -2 * ratios[i].log()), t, z).prev_sample
        last = ratios[-1]
        return (z - last * (1 + last**2).rsqrt() * flow.noise(z, -2 * last.log())) * (1 + last**2).sqrt()

    return draw


def compare(model, batch: int, evaluations: int) -> dict[str, float]:
    """Median times in seconds, by way; then of ratios, of each to ours."""
    latent = np.asarray(jr.normal(jr.key(batch), (batch, 64)))
    sampler = ex.Sampler(steps=evaluations - 1)
    log_snr = sampler.nodes(PROCESS, model)
    ours = lambda latent: ex.decode(PROCESS, model, jnp.asarray(latent), sampler=sampler).x
    ways = {
        OURS: ours,
        COMPILED: jax.jit(ours),
        BY_HAND: by_hand(model, log_snr),
    }
    if all(importlib.util.find_spec(name) for name in ("torch", "diffusers")):
        ways[DIFFUSERS] = by_diffusers(model, log_snr)
    exact, times = None, {name: [] for name in ways}
    for _ in range(1 + ROUNDS):
        for name, way in ways.items():
            start = time.perf_counter()
            found = np.asarray(way(latent))
            times[name].append(time.perf_counter() - start)
            exact = found if exact is None else exact
            np.testing.assert_allclose(found, exact, atol=1e-3 * np.abs(exact).max())
    # The first round compiles.
    spent = {name: np.asarray(values[1:]) for name, values in times.items()}
    ratios = {f"{name} / ours": float(np.median(values / spent[OURS])) for name, values in spent.items()}
    return {name: float(np.median(values)) for name, values in spent.items()} | ratios


def main() -> None:
    x, _ = ex.data.digits(jr.key(0))
    model = ex.fit(x, key=jr.key(1), settings=ex.Settings(steps=500))
    table = rich.table.Table(
        "batch", "evaluations", "entropax", *(f"{name} / it" for name in (COMPILED, BY_HAND, DIFFUSERS))
    )
    for batch in BATCHES:
        for evaluations in EVALUATIONS:
            found = compare(model, batch, evaluations)
            ratios = [found.get(f"{name} / ours") for name in (COMPILED, BY_HAND, DIFFUSERS)]
            shown = ["not installed" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
            table.add_row(str(batch), str(evaluations), f"{1e3 * found[OURS]:.1f} ms", *shown)
    rich.console.Console().print(table)


if __name__ == "__main__":
    main()
