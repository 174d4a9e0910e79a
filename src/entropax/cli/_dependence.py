import contextlib
import functools as ft
import io
import math
import time
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from .. import data, dependence
from ..dependence import CrossFitting, Dependence
from ..information import check_mutual_information
from ._measurement import check_finite


# Beyond so many columns networks as small as these find too little, and take too long.
_MOST_COLUMNS = 256

# What warnings call them.
_NAMES = {
    "mutual_information": "I(X;Y) (cross_fitted)",
    "conditional_mutual_information": "I(X;Y|C)",
    "total_correlation": "TC(X) (cross_fitted)",
}


class Dependences(NamedTuple):
    """What samples alone tell, by cross-fitting all of them.

    **Arguments:**

    - `found`: mutual information where there is y, and given c where there is c; total correlation where x has several
        columns, but not too many.
    - `budget`: what it took; empty where there was nothing to find.
    """

    found: dict[str, Dependence]
    budget: dict[str, dict[str, Any]]

    @property
    def pointwise(self) -> Float[np.ndarray, " num"] | None:
        """Each sample's share of mutual information in nats, given c where that was found."""
        for name in ("conditional_mutual_information", "mutual_information"):
            if name in self.found:
                return self.found[name].pointwise
        return None


def measure_dependence(
    samples: data.Samples, *, fitting: CrossFitting, two_sided: bool, key: PRNGKeyArray
) -> Dependences:
    """Cross-fits every dependence that there is.

    **Arguments:**

    - `samples`: all, as they are: the estimator goes by their ranks.
    - `fitting`: how networks are fitted, and where what they give is kept.
    - `two_sided`: whether to go by what x tells of y too.
    - `key`: all randomness.

    **Raises:** `Refusal` where an estimate is not finite.

    **Warns:** `BoundWarning`, and as [`entropax.dependence.mutual_information`][]; `SamplesWarning` where a quantity is
    left to the model, or out.
    """
    start = time.perf_counter()
    pair_key, given_key, total_key = jr.split(key, 3)
    found = {}
    of_pair = ft.partial(dependence.mutual_information, y_kind=_kind(samples.y_classes))
    if two_sided:
        of_pair = dependence.two_sided_mutual_information
    if samples.y is not None:
        with _without("I(X;Y) is by the model alone"):
            _check_width(x=samples.x, y=samples.y)
            found["mutual_information"] = of_pair(samples.x, samples.y, fitting=fitting, key=pair_key)
    if samples.y is not None and samples.c is not None:
        with _without("I(X;Y|C) is left out"):
            _check_width(x=samples.x, y=samples.y, c=samples.c)
            kind = _kind(samples.c_classes)
            found["conditional_mutual_information"] = of_pair(
                samples.x, samples.y, samples.c, given_kind=kind, fitting=fitting, key=given_key
            )
    if samples.x.shape[1] > 1:
        with _without("TC(X) is by the model alone"):
            _check_width(x=samples.x)
            found["total_correlation"] = dependence.total_correlation(samples.x, fitting=fitting, key=total_key)
    _check_bounds(found, samples)
    budget = {"samples": len(samples), "seconds": time.perf_counter() - start}
    return Dependences(found, {"cross_fitting": budget} if found else {})


def entry(one: Dependence, bits: bool) -> dict[str, Any]:
    """What `--json` holds of it.

    **Arguments:**

    - `one`: in nats.
    - `bits`: whether to convert.
    """
    unit = math.log(2) if bits else 1.0
    of_gaussian = {name: float(getattr(one.gaussian, name)) / unit for name in ("value", "stderr")}
    return {
        "value": one.value / unit,
        "stderr": one.stderr / unit,
        "interval": [end / unit for end in one.interval()],
        "gaussian": of_gaussian,
        "fitted": float(one.fitted) / unit,
        "halved": float(one.halved) / unit,
        "p_value": one.p_value,
        "converged": bool(one.converged),
        "kinds": dict(one.kinds),
        "sides": None if one.sides is None else [float(side) / unit for side in one.sides],
        "unit": "bits" if bits else "nats",
    }


def pointwise_file(values: Float[np.ndarray, " num"], suffix: str) -> bytes:
    """One value a sample, in the order of the samples.

    **Arguments:**

    - `values`: what to write.
    - `suffix`: `.npy`, `.csv`, or `.npz`, whose array is called `pointwise`.
    """
    content = io.BytesIO()
    if suffix == ".csv":
        # As many digits as float32 has.
        np.savetxt(content, values, fmt="%.9g")
    elif suffix == ".npy":
        np.save(content, values)
    else:
        np.savez(content, pointwise=values)
    return content.getvalue()


@contextlib.contextmanager
def _without(consequence: str) -> Iterator[None]:
    """Says what follows for samples that cross-fitting cannot be done with, such as more columns than rows; others, and
    the model, may know something still."""
    try:
        yield
    except (ValueError, FloatingPointError) as error:
        # By its name in the file.
        message = str(error).replace("`given`", "`c`")
        warnings.warn(f"{consequence}: {message}", data.SamplesWarning, stacklevel=3)


def _check_width(**tables: np.ndarray) -> None:
    columns = {name: 1 if table.ndim == 1 else table.shape[1] for name, table in tables.items()}
    if sum(columns.values()) > _MOST_COLUMNS:
        each = " and ".join(f"{number} in `{name}`" for name, number in columns.items())
        raise ValueError(f"Cross-fitting is for {_MOST_COLUMNS} columns at most; there are {each}.")


def _kind(classes: np.ndarray | None) -> data.Kind:
    return "continuous" if classes is None else "discrete"


def _check_bounds(found: dict[str, Dependence], samples: data.Samples) -> None:
    for name, one in found.items():
        # No labels bound what columns of x share.
        y = None if samples.y is None or name == "total_correlation" else jnp.asarray(samples.y)
        check_finite(name, one.estimate)
        check_mutual_information(one.estimate, y, _NAMES[name])
