from collections.abc import Callable
from typing import Any, ClassVar

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp

from ._multistep import check_steps, History


class SDEDPMSolverPlusPlus(dfx.AbstractItoSolver):
    r"""SDE-DPM-Solver++ (1, 2M), for the reverse SDE in the clock of the noise-to-signal ratio, $t = -s$, at any churn
    $\eta$: with $\hat x_0$ the prediction of the data, taken as constant or extrapolated from the step before, the rest
    of the SDE is linear and is solved exactly,

    $$x_1 = \Bigl(\frac{s_1}{s_0}\Bigr)^{1+\eta^2} x_0 + \Bigl(1 - \Bigl(\frac{s_1}{s_0}\Bigr)^{1+\eta^2}\Bigr)\hat D +
      s_1\sqrt{1 - \Bigl(\frac{s_1}{s_0}\Bigr)^{2\eta^2}}\;\xi.$$

    The churn is read off the terms' noise, $\eta\sqrt{2s}$ ([`entropax.terms.reverse`][] of
    [`entropax.NoiseRatio`][] with `start=0.0`).

    **Arguments:**

    - `steps`: how many predictions it uses, 1 or 2.

    **Raises:** `ValueError` for other numbers.

    ??? cite "Source"
        Lu et al., DPM-Solver++ (2022), Sec. 6, for $\eta = 1$; Gonzalez et al., SEEDS (2023), for the general form.
    """

    steps: int = eqx.field(default=2, static=True)

    term_structure: ClassVar = dfx.MultiTerm[tuple[dfx.AbstractTerm, dfx.AbstractTerm]]
    interpolation_cls: ClassVar[Callable[..., dfx.LocalLinearInterpolation]] = dfx.LocalLinearInterpolation

    def __check_init__(self):
        check_steps(self.steps, 2)

    def order(self, terms):
        return None

    def strong_order(self, terms):
        return 1.0

    def init(self, terms, t0, t1, y0, args) -> History:
        return History.empty(self.steps, t0, y0)

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        drift, diffusion = terms.terms
        width = drift.contr(t0, t1)
        slopes = jax.tree.map(lambda moved: moved / width, drift.vf_prod(t0, y0, args, width))
        scale = diffusion.vf(t0, y0, args)
        # Of a term that carries a functional the scale is the first of two.
        eta2 = jax.tree.leaves(scale)[0] ** 2 / (-2 * t0)
        # ẋ = (1 + η²)(x − x̂₀)/t, with t = −s.
        found = jax.tree.map(lambda y, rate: y - t0 * rate / (1 + eta2), y0, slopes)
        history = solver_state.pushed(t0, found)
        h = jnp.log(t0 / t1)
        target = self._extrapolated(history, h)
        noise = diffusion.prod(scale, diffusion.contr(t0, t1))
        size = -t1 * jnp.sqrt(-jnp.expm1(-2 * eta2 * h)) / jnp.sqrt(-2 * t0 * jnp.maximum(eta2, 1e-30) * width)
        kept = jnp.exp(-(1 + eta2) * h)
        y1 = jax.tree.map(lambda y, d, w: kept * y + (1 - kept) * d + size * w, y0, target, noise)
        return y1, None, dict(y0=y0, y1=y1), history, dfx.RESULTS.successful

    def func(self, terms, t0, y0, args) -> Any:
        drift, _ = terms.terms
        return drift.vf(t0, y0, args)

    def _extrapolated(self, history, h):
        if self.steps == 1:
            return history.at(0)
        # The midpoint form; nothing to extrapolate from at the first step.
        share = jnp.where(history.known > 1, 0.5 * h / jnp.log(history.times[1] / history.times[0]), 0.0)
        return jax.tree.map(lambda now, before: now + share * (now - before), history.at(0), history.at(1))
