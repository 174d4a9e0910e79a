import pathlib
import re
from typing import Literal, NamedTuple

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float32, Int32, PRNGKeyArray

from .. import data
from .._arrays import of_unit_size
from ..data import Kind
from ._refusal import Refusal, refusing


Transform = Literal["none", "standardise", "rank"]

# Samples that each share must hold; fewer make neither a fit nor an error bar.
_FEWEST = 20


class Share(NamedTuple):
    """Samples as the fit and the integrals want them."""

    x: Float32[Array, "num dim_x"]
    y: Float32[Array, "num dim_y"] | Int32[Array, " num"] | None

    @property
    def is_discrete(self) -> bool:
        """Whether y holds labels."""
        return self.y is not None and self.y.ndim == 1


def read(
    path: pathlib.Path,
    y: pathlib.Path | None,
    labels: pathlib.Path | None,
    c: pathlib.Path | None,
    *,
    y_kind: Kind,
    c_kind: Kind,
) -> data.Samples:
    """The samples of a file, with their conditions from that file or from others.

    **Arguments:**

    - `path`: a `.npz` file with `x` and perhaps `y` and `c`; a `.npy` or `.csv` file of `x`.
    - `y`, `labels`: a file of conditions.
    - `c`: a file of what mutual information is given.
    - `y_kind`, `c_kind`: what they hold; `labels` are discrete.

    **Raises:** `Refusal` on files that cannot be read and samples that no estimate could be made of.

    **Warns:** `SamplesWarning` where x looks like a function of y.
    """
    arrays = _load(path)
    if "x" not in arrays:
        raise Refusal(f"{path.name!r} must hold an array `x`; it holds {', '.join(map(repr, arrays))}.")
    given = [file for file in (y, labels) if file is not None]
    if len(given) + ("y" in arrays) > 1:
        raise Refusal(f"`y` must come from one place: an array `y` in {path.name!r}, --y, or --labels.")
    if c is not None and "c" in arrays:
        raise Refusal(f"`c` must come from one place: an array `c` in {path.name!r}, or --c.")
    condition = _only_array(given[0], "y") if given else arrays.get("y")
    third = arrays.get("c") if c is None else _only_array(c, "c")
    if third is not None and condition is None:
        raise Refusal("there is `c`, but no `y`: conditional mutual information I(X;Y|C) is of x and y.")
    kind = "discrete" if labels is not None else y_kind
    try:
        return data.check_samples(arrays["x"], condition, third, y_kind=kind, c_kind=c_kind)
    except ValueError as error:
        # The library's advice, in the words of the shell.
        raise Refusal(re.sub(r"\b([yc])_kind='(\w+)'", r"--\1-kind \2", str(error))) from error


def split(samples: data.Samples, share: float, transform: Transform, key: PRNGKeyArray) -> tuple[Share, Share]:
    r"""Samples to fit to, and samples that the fit never sees, in the coordinates that are asked for: standardised by
    the moments of the former, or by their ranks among all.

    **Arguments:**

    - `samples`: all of them.
    - `share`: of them to hold out; of every label the same share.
    - `transform`: of `x`, and of a continuous `y`.
    - `key`: which ones, and the order of ties among ranks.

    **Returns:** the share to fit to and the share held out.

    **Raises:** `Refusal` where either has too few samples, or a label is none of those to fit to.
    """
    if not 0 < share < 1:
        raise Refusal(f"--held-out must be a share between 0 and 1; got {share}.")
    num = len(samples)
    row_key, *tie_keys = jr.split(key, 3)
    rows = np.asarray(jr.permutation(row_key, num))
    labels = None if samples.y_classes is None else np.asarray(samples.y)
    if labels is not None:
        rows = rows[np.argsort(labels[rows], kind="stable")]
    # Every so many-th row; a share like 0.2 is not a whole number of float64.
    held_out = np.diff(np.floor(np.arange(num + 1) * share + 1e-9)) > 0
    train, held = rows[~held_out], rows[held_out]
    if min(len(train), len(held)) < _FEWEST:
        raise Refusal(
            f"too few samples: {num} rows leave {len(train)} to fit to and {len(held)} held out for the estimate, and "
            f"each must have at least {_FEWEST}."
        )
    if labels is not None and (unseen := np.setdiff1d(labels[held], labels[train])).size:
        names = np.asarray(samples.y_classes)[unseen[:5]].tolist()
        raise Refusal(f"`y` has labels with too few samples for both shares: {names}. Leave them out.")
    with refusing(ValueError):
        x = _transformed(samples.x, train, transform, tie_keys[0])
        y = samples.y
        if y is not None and labels is None:
            y = _transformed(y, train, transform, tie_keys[1])
    take = lambda rows: Share(jnp.asarray(x[rows]), None if y is None else jnp.asarray(y[rows]))
    return take(train), take(held)


def _transformed(table: np.ndarray, train: np.ndarray, transform: Transform, key: PRNGKeyArray) -> np.ndarray:
    # In float64 until the scale is right: float32 loses small differences between large numbers.
    if transform == "standardise":
        _, mean, std = data.standardise(table[train])
        # In units in which nothing overflows.
        scaled, exponents = of_unit_size(table)
        table = (scaled - np.ldexp(mean, -exponents)) / np.ldexp(std, -exponents)
    if transform == "rank":
        table = data.rank_gaussianise(table, key)
    if np.abs(table).max() > np.finfo(np.float32).max:
        raise ValueError("the samples are too large for float32; --transform standardise brings them to scale.")
    return table.astype(np.float32)


def _load(path: pathlib.Path) -> dict[str, np.ndarray]:
    with refusing(ValueError, OSError):
        return data.load_arrays(path)


def _only_array(path: pathlib.Path, name: str) -> np.ndarray:
    """A condition's file may call it `name`, or call it anything if it holds nothing else."""
    arrays = _load(path)
    if name not in arrays and len(arrays) > 1:
        held = ", ".join(map(repr, arrays))
        raise Refusal(f"{path.name!r} must hold one array, or one called `{name}`; it holds {held}.")
    return arrays[name] if name in arrays else next(iter(arrays.values()))
