"""Makes diffusers.npz: the states that schedulers of diffusers pass through, on an exact denoiser.

    pip install "entropax[peers]"; python tests/golden/make_diffusers.py

`tests/solve/test_diffusers.py` holds our solvers against them, step for step. The denoiser is that of a mixture of two
Gaussians in the plane, in NumPy, so that nothing of ours is in the file.
"""

import pathlib

import diffusers  # pyright: ignore[reportMissingImports]
import numpy as np
import torch  # pyright: ignore[reportMissingImports]


STEPS = 12
MEANS = np.array([[1.0, -0.5], [-0.8, 0.6]])
STDS = np.array([0.3, 0.15])
SCHEDULERS = {
    "dpm1": (diffusers.DPMSolverMultistepScheduler, dict(algorithm_type="dpmsolver++", solver_order=1)),
    "dpm2": (diffusers.DPMSolverMultistepScheduler, dict(algorithm_type="dpmsolver++", solver_order=2)),
    "sde1": (diffusers.DPMSolverMultistepScheduler, dict(algorithm_type="sde-dpmsolver++", solver_order=1)),
    "sde2": (diffusers.DPMSolverMultistepScheduler, dict(algorithm_type="sde-dpmsolver++", solver_order=2)),
    "unipc1": (diffusers.UniPCMultistepScheduler, dict(solver_order=1, solver_type="bh2")),
    "unipc2": (diffusers.UniPCMultistepScheduler, dict(solver_order=2, solver_type="bh2")),
    "unipc3": (diffusers.UniPCMultistepScheduler, dict(solver_order=3, solver_type="bh2")),
}


def predicted_noise(z: np.ndarray, ratio: float) -> np.ndarray:
    """The mixture's exact prediction at a noise-to-signal ratio."""
    a, b = 1 / (1 + ratio**2), ratio**2 / (1 + ratio**2)
    offsets = z[:, None] - np.sqrt(a) * MEANS
    variances = a * STDS**2 + b
    logs = -0.5 * (offsets**2).sum(-1) / variances - np.log(variances)
    shares = np.exp(logs - logs.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    return np.sqrt(b) * (shares[..., None] * offsets / variances[:, None]).sum(1)


def main():
    rng = np.random.default_rng(0)
    start, noise = rng.normal(size=(8, 2)), rng.normal(size=(STEPS, 8, 2))
    arrays = dict(start=start, noise=noise, means=MEANS, stds=STDS, diffusers=np.array(diffusers.__version__))
    for name, (scheduler_class, settings) in SCHEDULERS.items():
        scheduler = scheduler_class(
            num_train_timesteps=1000,
            beta_schedule="linear",
            timestep_spacing="linspace",
            lower_order_final=False,
            final_sigmas_type="sigma_min",
            **settings,
        )
        scheduler.set_timesteps(STEPS)
        ratios = scheduler.sigmas.numpy().astype(np.float64)
        x, states = torch.from_numpy(start), [start]
        for i, t in enumerate(scheduler.timesteps):
            prediction = torch.from_numpy(predicted_noise(x.numpy(), ratios[i]))
            extra = dict(variance_noise=torch.from_numpy(noise[i])) if name.startswith("sde") else {}
            x = scheduler.step(prediction, t, x, **extra).prev_sample
            states.append(x.numpy())
        arrays |= {f"{name}_log_snr": -2 * np.log(ratios), f"{name}_states": np.stack(states)}
    file = pathlib.Path(__file__).parent / "diffusers.npz"
    np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]


if __name__ == "__main__":
    main()
