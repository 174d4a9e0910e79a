"""How far samples are from real ones, by every measure that a problem allows."""

import dataclasses
import functools
from typing import get_args, Literal

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from entropax import distance
from runs._problems import diffused, dissipation, Problem
from runs._settings import PROCESS, Setting


# Errors, of which less is better, and what real samples have too.
ErrorName = Literal[
    "strong_error", "sliced_wasserstein", "energy_distance", "mmd", "classifier", "gaussian_w2", "kl", "occupancy"
]  # fmt: skip
LevelName = Literal["cross_entropy", "dissipated"]
NAMES: tuple[str, ...] = get_args(ErrorName) + get_args(LevelName)

# A number and its standard error, where there is one; `None` for what cannot be said.
Measured = dict[str, tuple[float, float | None] | None]

# An eighth of the default: a sweep tests some hundred settings, and differences that fewer trees miss are small.
_TREES = 25


@dataclasses.dataclass(frozen=True, eq=False)
class Yardstick:
    """A problem's distances, with everything fixed but the samples: real ones, bandwidths, directions.

    **Arguments:**

    - `problem`: what was to be sampled.
    """

    problem: Problem

    @functools.cached_property
    def _real(self) -> np.ndarray:
        return self.problem.features(*self.problem.real)

    @functools.cached_property
    def _bandwidths(self) -> np.ndarray:
        return distance.median_bandwidths(self._real)

    def distances(self, x: jax.Array, y: jax.Array) -> Measured:
        """Of samples and their conditions from the real ones."""
        from sklearn.ensemble import ExtraTreesClassifier

        problem, real, rows = self.problem, self._real, self.problem.features(x, y)
        trees = ExtraTreesClassifier(_TREES, min_samples_leaf=5, class_weight="balanced", random_state=0)
        found: Measured = {
            "sliced_wasserstein": (distance.sliced_wasserstein(rows, real, key=jr.key(0)), None),
            "energy_distance": _numbers(distance.energy_distance(rows, real)),
            "mmd": _numbers(distance.mmd(rows, real, bandwidths=self._bandwidths)),
            "classifier": _numbers(distance.classifier_two_sample(rows, real, key=jr.key(1), classifier=trees)),
            "gaussian_w2": (distance.gaussian_w2(*distance.moments(rows), *problem.moments), None),
        }
        if problem.log_density is not None:
            # The density of samples that lie on each other, or where there should be none, is not finite.
            for name, measure in (("cross_entropy", distance.cross_entropy), ("kl", distance.kl_to)):
                try:
                    found[name] = _numbers(measure(rows, problem.log_density))
                except ValueError:
                    found[name] = None
        if problem.log_densities is not None:
            densities, weights = problem.log_densities
            found["occupancy"] = (distance.mode_occupancy(densities(rows), weights).total_variation, None)
        return found

    def floor(self) -> Measured:
        """Of real samples in the place of generated ones; of the strong error what the reference itself leaves open,
        measured by a looser one."""
        x, y = self.problem.other_real
        dissipated = dissipation(self.problem.denoiser, *diffused(x, jr.key(2)), y)
        tight, loose = (self.reference(Setting(), tolerance) for tolerance in (TIGHT, 10 * TIGHT))
        return self.distances(x, y) | {
            "dissipated": mean_of(dissipated),
            "strong_error": (strong_error(loose, tight), None),
        }

    def reference(self, setting: Setting, tolerance: float) -> jax.Array:
        """What the flow of a setting would end in, were it solved without error. The solver, its grid and its precision
        are not part of the question."""
        denoiser = dataclasses.replace(setting, precision="float32").guide(self.problem.denoiser)
        latent, _ = beginning(setting, self.problem)
        # Of an adaptive solve the first step and the end.
        nodes = ex.solve.Nodes(jnp.linspace(*setting.log_snr_range, 65))
        return _tight(denoiser, latent, self.problem.y, nodes, jnp.asarray(tolerance))


# Of reference solutions, in float32, which has hardly more.
TIGHT = 1e-6


def beginning(setting: Setting, problem: Problem) -> tuple[jax.Array, jax.Array]:
    """The initial noise and the key of the noise on the way: the same for all settings of one seed."""
    latent_key, path_key = jr.split(jr.key(setting.seed))
    return jr.normal(latent_key, problem.real[0].shape), path_key


def strong_error(x: jax.Array, reference: jax.Array) -> float:
    """The root mean square, over samples, of how far they are from where they should have come."""
    squares = np.sum((np.asarray(x, np.float64) - np.asarray(reference, np.float64)) ** 2, -1)
    return float(np.sqrt(squares.mean()))


def mean_of(values: jax.Array) -> tuple[float, float]:
    """A mean over samples, and its standard error."""
    plain = np.asarray(values, np.float64)
    return float(plain.mean()), float(plain.std(ddof=1) / np.sqrt(len(plain)))


def _numbers(estimate: ex.Estimate) -> tuple[float, float]:
    return float(estimate.value), float(estimate.stderr)


@eqx.filter_jit
def _tight(denoiser, latent, y, nodes, tolerance):
    sampler = ex.Sampler(
        dfx.Dopri8(),
        clock=ex.LogSNR(),
        grid=nodes,
        controller=dfx.PIDController(rtol=tolerance, atol=tolerance),
    )
    return ex.decode(PROCESS, denoiser, latent, y, sampler=sampler).x
