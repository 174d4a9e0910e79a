"""The cost of a log-density by probability flow. `just bench likelihood`

One network, one set of weights, the same samples of the dino set and tolerances, four ways: ours; SciPy's RK45 on one
flat vector with our jitted flow and divergence; and, where `pip install torch torchdiffeq` has been done, the flow in
PyTorch as reference codes have it, by torchdiffeq's dopri5 and by the same RK45. Errors are against Dopri8 at a far
tighter tolerance. The factor between each and ours is at equal error, for which the time of ours is interpolated
between its tolerances. Rounds alternate, so that what else the machine does falls on all alike.

The factor depends on how many samples there are: a few of them cost what the solver costs, many what the network does,
which is the same for all.
"""

import importlib.util
import time

import diffrax as dfx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import rich.console
import rich.table
from scipy.integrate import solve_ivp

import entropax as ex


SIZES, ROUNDS = (16, 128, 500), 3
TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6)
PROCESS = ex.VariancePreserving()


def _start(model, x):
    s_min = float(PROCESS.time(jnp.asarray(model.log_snr_range[1])))
    return s_min, np.asarray(PROCESS.mean_factor(jnp.asarray(s_min)) * x)


def _log_density(s_min, latent, total):
    """Of N(0, I) at the end, moved back along the flow; without the corrections at both ends."""
    dim = latent.shape[1]
    log_prior = -0.5 * (latent**2).sum(1) - 0.5 * dim * np.log(2 * np.pi)
    return log_prior + total + dim * float(PROCESS.log_mean(jnp.asarray(s_min)))


def by_scipy(rate, model, x, tolerance: float) -> np.ndarray:
    """From s_min to T, the log-density's rate beside the state, all samples one vector in float64."""

    def flat(s, state):
        velocity, spread = rate(np.float32(s), state[: x.size].reshape(x.shape).astype(np.float32))
        return np.concatenate([np.asarray(velocity, np.float64).ravel(), np.asarray(spread, np.float64)])

    s_min, start = _start(model, x)
    state = np.concatenate([start.ravel(), np.zeros(len(x))])
    out = solve_ivp(flat, (s_min, PROCESS.T), state, rtol=tolerance, atol=tolerance, method="RK45")
    return _log_density(s_min, out.y[: x.size, -1].reshape(x.shape), out.y[x.size :, -1])


def by_torchdiffeq(flow, model, x, tolerance: float) -> np.ndarray:
    """torchdiffeq's dopri5 on the pair of state and log-density."""
    import torch  # pyright: ignore[reportMissingImports]
    import torchdiffeq  # pyright: ignore[reportMissingImports]

    s_min, start = _start(model, x)
    state = torch.tensor(start), torch.zeros(len(x))
    ends = torch.tensor([s_min, PROCESS.T])
    out = torchdiffeq.odeint(lambda s, state: flow(s, state[0]), state, ends, rtol=tolerance, atol=tolerance)
    return _log_density(s_min, out[0][-1].numpy(), out[1][-1].numpy())


def by_flow(model, x, tolerance: float) -> np.ndarray:
    """Ours; without the corrections at both ends, which the others have not."""
    found = ex.log_density(PROCESS, model, x, rtol=tolerance, atol=tolerance)
    return np.asarray(found.value - found.truncation - found.remainder)


def ways(model, x):
    """What there is to compare, by name, ours first."""
    flow, exact = ex.terms.ProbabilityFlow(PROCESS, model), ex.solve.ExactDivergence()
    jitted = jax.jit(lambda s, x: jax.vmap(lambda x: exact(lambda x: flow(s, x[None], None)[0], x, None))(x))
    found = {
        "entropax.log_density": lambda tolerance: by_flow(model, x, tolerance),
        "SciPy RK45, jitted flow": lambda tolerance: by_scipy(jitted, model, x, tolerance),
    }
    if all(importlib.util.find_spec(name) for name in ("torch", "torchdiffeq")):
        import torch  # pyright: ignore[reportMissingImports]

        from benchmarks._torch_flow import check, TorchFlow

        theirs = TorchFlow(PROCESS, model)
        check(theirs, model, x[:8])
        rate = lambda s, x: [out.numpy() for out in theirs(torch.tensor(s), torch.tensor(x))]
        found["SciPy RK45, PyTorch"] = lambda tolerance: by_scipy(rate, model, x, tolerance)
        found["torchdiffeq dopri5"] = lambda tolerance: by_torchdiffeq(theirs, model, x, tolerance)
    return found


def compare(model: ex.Neural, x) -> None:
    """Prints the table for these samples."""
    tight = ex.log_density(PROCESS, model, x, solver=dfx.Dopri8(), rtol=1e-7, atol=1e-7)
    truth = np.asarray(tight.value - tight.truncation - tight.remainder)

    errors, times, compared = {}, {}, ways(model, x)
    for _ in range(1 + ROUNDS):
        for name, way in compared.items():
            for tolerance in TOLERANCES:
                start = time.perf_counter()
                value = way(tolerance)
                # The first round compiles.
                times.setdefault((name, tolerance), []).append(time.perf_counter() - start)
                errors[name, tolerance] = float(np.sqrt(np.mean((value - truth) ** 2))) / (x.shape[1] * np.log(2))
    best = {key: min(values[1:]) for key, values in times.items()}

    table = rich.table.Table(
        "way", "tolerance", "error [bits/dim]", "time", "ours at that error", "factor", title=f"{len(x)} samples"
    )
    ours = "entropax.log_density"
    known = np.log(sorted((errors[ours, tolerance], best[ours, tolerance]) for tolerance in TOLERANCES))
    for (name, tolerance), error in errors.items():
        equal = float(np.exp(np.interp(np.log(error), known[:, 0], known[:, 1])))
        factor = ("", "") if name == ours else (f"{1e3 * equal:.0f} ms", f"{best[name, tolerance] / equal:.1f}x")
        table.add_row(name, f"{tolerance:g}", f"{error:.1e}", f"{1e3 * best[name, tolerance]:.0f} ms", *factor)
    rich.console.Console().print(table)


def main() -> None:
    data = ex.data.Dino()
    settings = ex.Settings(steps=2_000, batch_size=512)
    model = ex.fit(data.sample(jr.key(0), 50_000), key=jr.key(1), log_snr_range=(-9.0, 12.0), settings=settings)
    for size in SIZES:
        compare(model, data.sample(jr.key(2), size))


if __name__ == "__main__":
    main()
