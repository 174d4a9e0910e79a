"""Bits per dimension from published curves of mean squared errors: how good diffusion models are as densities.

    just run itd_curves --path FILE

The file is JSON: `d`, `logsnr`, `mmse_g`, `sum_log_eigs`, and under `models` for each name the curves `mses`, and where
there are data on a grid, `mses_round_xhat` and `mses_dequantize`. The continuous value has the Gaussian denoiser as a
floor; the discrete one takes the lesser of the plain and the rounded error at each noise level; the dequantised one
adds the bin width. The last row takes the least error of all models. Behind a value, in brackets, what the tails beyond
the table add. Seconds.

On the curves that the code of Information-theoretic diffusion publishes (CIFAR-10; Kong et al., 2023), it prints
-3.600, -4.130, -3.856, -4.276 for DDPM, IDDPM and both fine-tuned, and for discrete data 3.405, 2.887, 3.212, 2.883.
Published are -4.09 and -4.28 for IDDPM, and 3.68, 3.16, 3.48, 3.15: means over random nodes, the discrete ones of the
rounded error alone.
"""

import json
import pathlib

import numpy as np
import rich.console
import rich.table
import tyro

import entropax as ex


_PLAIN, _ROUNDED, _DEQUANTISED = "mses", "mses_round_xhat", "mses_dequantize"


def table(content: dict, spacing: float) -> dict[str, dict[str, tuple[float, float]]]:
    """By model and kind of likelihood: bits per dimension over the table, and what the tails add to them."""
    models = dict(content["models"])
    shared = [name for name in (_PLAIN, _ROUNDED, _DEQUANTISED) if all(name in model for model in models.values())]
    models["least of all"] = {name: np.min([model[name] for model in models.values()], 0) for name in shared}
    return {name: _likelihoods(content, model, spacing) for name, model in models.items()}


def _likelihoods(content, model, spacing):
    density = {"sum_log_eigenvalues": content["sum_log_eigs"], "gaussian_mse": np.asarray(content["mmse_g"])}
    kinds = {"continuous": (np.asarray(model[_PLAIN]), density, 1.0)}
    if _ROUNDED in model:
        kinds["discrete"] = (np.minimum(model[_PLAIN], model[_ROUNDED]), {}, 1.0)
    if _DEQUANTISED in model:
        kinds["dequantised"] = (np.asarray(model[_DEQUANTISED]), density, spacing)
    dim, log_snr = content["d"], np.asarray(content["logsnr"])
    found = {}
    for kind, (mse, options, width) in kinds.items():
        likelihood = ex.nll_from_mse_curve(log_snr, mse, dim=dim, **options)
        tails = ex.bits_per_dim(likelihood.below + likelihood.above, dim)
        found[kind] = ex.bits_per_dim(likelihood.value, dim, spacing=width), tails
    return found


def main(path: pathlib.Path, spacing: float = 1 / 127.5) -> None:
    """Prints the table.

    Args:
        path: the JSON file.
        spacing: the bin width of dequantised data.
    """
    rows = table(json.loads(path.read_text()), spacing)
    kinds = list(next(iter(rows.values())))
    shown = rich.table.Table("bits/dim (tails)", *kinds)
    for name, row in rows.items():
        shown.add_row(name, *(f"{row[kind][0]:.3f} ({row[kind][1]:+.4f})" if kind in row else "" for kind in kinds))
    rich.console.Console().print(shown)


if __name__ == "__main__":
    tyro.cli(main, prog="python -m runs.itd_curves", description=__doc__)
