"""The main job on real input, in a few minutes on two cores: `just quickstart`

Fits one network to a 25 + 15-dimensional joint Gaussian, where everything is known, and one to real handwritten digits,
where I(X;Y) <= ln 10 is; prints neural entropy and mutual information with error bars beside the truth, and draws
results/quickstart.png. With `--preset smoke`, the same in a minute on less.
"""

import argparse
import dataclasses
import pathlib
import time
import warnings

import jax.random as jr
import matplotlib.pyplot as plt
import numpy as np
import rich.console
import rich.table

import entropax as ex
from runs import digits


@dataclasses.dataclass(frozen=True)
class Config:
    """Training steps and samples of both parts."""

    gaussian_steps: int
    digits_steps: int
    samples: int
    nodes: int


PRESETS = {"smoke": Config(100, 60, 1_000, 8), "default": Config(4_000, 2_500, 20_000, 64)}
PICTURE = pathlib.Path("results/quickstart.png")


def gaussian(config: Config) -> tuple[ex.data.JointGaussian, dict[str, ex.Estimate]]:
    """The seed-10 problem: 20 000 pairs to learn from, fresh ones to measure on."""
    problem = ex.data.JointGaussian.random(jr.key(10), dim_x=25, dim_y=15, noise_std=1.0)
    model = ex.fit(*problem.sample(jr.key(0), 20_000), key=jr.key(1), settings=ex.Settings(steps=config.gaussian_steps))
    x, y = problem.sample(jr.key(2), config.samples)
    rates = ex.unconditional_rates(model, problem.marginals()) | ex.conditional_rates(model)
    return problem, ex.integrate(rates, x, y, key=jr.key(3))


def table(problem, found, found_digits, bound: float) -> rich.table.Table:
    """Estimates beside what is known of them."""
    rows = rich.table.Table("data", "quantity", "estimate", "known", title="Entropax quickstart, all in nats")
    information = f"{problem.mutual_information:.3f} exact"
    known = {
        "neural_entropy": ("neural entropy S_NN(X)", f"{problem.total_entropy():.3f} exact"),
        "conditional_entropy": ("conditional, S_NN(X|Y)", f"{problem.conditional_entropy():.3f} exact"),
        "total_correlation": ("total correlation TC(X)", f"{problem.total_correlation:.3f} exact"),
        "loss_gap": ("I(X;Y), loss gap (default)", information),
        "orthogonal": ("I(X;Y), orthogonal (MINDE)", information),
        "entropy_difference": ("I(X;Y), entropy difference", information),
    }
    for name, (label, truth) in known.items():
        last = name == "entropy_difference"
        rows.add_row("Gaussian", label, _plain(found[name]), truth, end_section=last)
    limit = f"<= ln 10 = {bound:.3f}"
    for name, label, truth in (
        ("neural_entropy", "neural entropy S_NN(X)", ""),
        ("posterior", "I(X;Y), posterior (default)", limit),
        ("loss_gap", "I(X;Y), loss gap", limit),
        ("orthogonal", "I(X;Y), orthogonal (MINDE)", limit),
        ("entropy_difference", "I(X;Y), entropy difference", limit),
    ):
        rows.add_row("digits", label, _plain(found_digits[name]), truth)
    return rows


def _plain(estimate: ex.Estimate) -> str:
    return str(estimate).removesuffix(" nats")


def draw(problem, found, found_digits, bound: float) -> None:
    """Rates along the noise for both data sets, and mutual information beside what is known of it."""
    plt.rcParams.update(
        {
            "font.size": 9,
            "axes.titlesize": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
        }
    )
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    curves = (
        ("conditional_entropy", problem.conditional_entropy_rate, "#D55E00", "S(X|Y)"),
        ("neural_entropy", problem.total_entropy_rate, "#0072B2", "S(X)"),
        ("orthogonal", problem.mutual_information_rate, "#009E73", "I(X;Y)"),
    )
    for name, exact, colour, label in curves:
        profile = found[name].profile
        left.plot(profile.log_snr, exact(np.asarray(profile.log_snr, np.float64)), color=colour, lw=1.2)
        left.plot(profile.log_snr, profile.rate, "o", ms=2.5, color=colour, label=label)
    left.set(title="Joint Gaussian: model (points), exact (lines)", xlabel="log-SNR λ", ylabel="nats per unit of λ")
    left.legend()

    profile = found_digits["neural_entropy"].profile
    low, high = profile.rate - 2 * profile.stderr, profile.rate + 2 * profile.stderr
    middle.fill_between(profile.log_snr, low, high, color="#0072B2", alpha=0.3, lw=0)
    middle.plot(profile.log_snr, profile.rate, color="#0072B2", lw=1.2)
    title = f"Digits: entropy rate, S(X) = {found_digits['neural_entropy']}"
    middle.set(title=title, xlabel="log-SNR λ", ylabel="nats per unit of λ")

    names = ("posterior", "loss_gap", "orthogonal", "entropy_difference")
    values = [float(found_digits[name].value) for name in names]
    errors = [2 * float(found_digits[name].stderr) for name in names]
    right.errorbar(values, range(4), xerr=errors, fmt="o", color="#0072B2", capsize=3)
    right.axvline(bound, color="#666666", lw=1)
    right.annotate("ln 10", (bound, 3.3), (4, 0), textcoords="offset points", color="#666666")
    right.set_yticks(range(4), ["posterior\n(default)", "loss gap", "orthogonal", "entropy\ndifference"])
    right.set(title="Digits: I(X;Y) between image and label", xlabel="nats", ylim=(3.6, -0.6), xlim=(0, None))
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--preset", choices=PRESETS, default="default")
    config = PRESETS[parser.parse_args().preset]
    start, console = time.perf_counter(), rich.console.Console()
    console.print("1/2  Joint Gaussian, 25 + 15 dimensions: everything is known in closed form.")
    problem, found = gaussian(config)
    console.print("2/2  Handwritten digits: what does an image know of its label?")
    training = digits.fit(0, config.digits_steps)
    _, (x, y) = digits.split(0)
    # What breaks a hard bound is shown, and said below the table.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found_digits = digits.measure(training.denoiser, x, y, key=jr.key(2), nodes=config.nodes)
    bound = float(np.log(10))
    console.print(table(problem, found, found_digits, bound))
    for warning in caught:
        if issubclass(warning.category, ex.BoundWarning):
            console.print(f"[yellow]Warning:[/yellow] digits, {warning.message}")
    draw(problem, found, found_digits, bound)
    console.print(f"Picture: {PICTURE}   ({time.perf_counter() - start:.0f} s)")
    console.print("Your own arrays: .venv/bin/entropax measure data.npz   (x, and y if there is one)")


if __name__ == "__main__":
    main()
