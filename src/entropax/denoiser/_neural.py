import inspect
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .._untrained import Untrained
from ..nn import AbstractConditionalNetwork
from ._base import AbstractDenoiser, check_range, noise, signal, Zero
from ._gaussian import ConditionalGaussian, Equilibrium, Gaussian
from ._mixed import dropping, in_two, mixed_predictions, parts
from ._predictions import predictions


class Neural(AbstractDenoiser):
    r"""A network beside a baseline,

    $$\hat\varepsilon_\theta(z, \lambda, y) = \mathrm{baseline}(z, \lambda, y) + \mathrm{scale}(\lambda)\,
      \mathrm{net}\bigl(\mathrm{normalise}(z, \lambda), \lambda, y\bigr).$$

    A parameterisation is a choice of baseline and scale: [`entropax.entropy_matching`][],
    [`entropax.score_matching`][], [`entropax.noise_matching`][], [`entropax.velocity_matching`][] and
    [`entropax.gaussian_matching`][] make them.

    **Arguments:**

    - `net`: a module `net(z, log_snr, y) -> array like z`, unbatched; `y=None` asks for the unconditional prediction.
        An [`entropax.nn.AbstractConditionalNetwork`][] answers for several conditions in one batch.
    - `baseline`: a denoiser; not trained.
    - `scale`: a function of $\lambda$.
    - `normalise`: a function of $z$ and $\lambda$ that brings the network's inputs to order one whatever the units of
        the data, [`entropax.Whitening`][], [`entropax.Standardising`][] or [`entropax.FourierFeatures`][]; not
        trained.
    - `trained_range`: the range of $\lambda$ that the network is trained on, and trusted on.
    """

    net: Callable
    baseline: Untrained[AbstractDenoiser]
    scale: Callable[[Array], Array]
    normalise: Untrained[Callable[[Array, Array], Array]]
    trained_range: tuple[float, float] = eqx.field(static=True)

    def __check_init__(self):
        check_range(self.trained_range, "`trained_range`")
        for name, function in (("net", self.net), ("scale", self.scale), ("normalise", self.normalise)):
            if not callable(function) or inspect.isclass(function):
                raise ValueError(f"`{name}` must be a module or a function; got {function!r}.")

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return self.trained_range

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        baseline, normalise = jax.tree.map(_fixed, (self.baseline, self.normalise))
        return baseline(z, log_snr, y) + self.scale(log_snr) * self.net(normalise(z, log_snr), log_snr, y)


def _fixed(leaf):
    return jax.lax.stop_gradient(leaf) if eqx.is_array(leaf) else leaf


@predictions.register(Neural)
def _(denoiser, z, log_snr, conditions):
    baseline, normalise = jax.tree.map(_fixed, (denoiser.baseline, denoiser.normalise))
    net, seen, scale = denoiser.net, normalise(z, log_snr), denoiser.scale(log_snr)
    if isinstance(net, AbstractConditionalNetwork) and len(conditions) > 1:
        # The state is shared: what the network makes of it alone is made once.
        embeddings = jax.tree.map(_stack, *map(net.embed, conditions))
        outputs = eqx.filter_vmap(net.trunk, in_axes=(None, None, eqx.if_array(0)))(seen, log_snr, embeddings)
    else:
        outputs = [net(seen, log_snr, y) for y in conditions]
    return tuple(
        prediction + scale * output
        for prediction, output in zip(predictions(baseline, z, log_snr, conditions), outputs)
    )


@mixed_predictions.register(Neural)
def _(denoiser, z, log_snr, y, free, masks):
    if not isinstance(denoiser.net, AbstractConditionalNetwork):
        return in_two(denoiser, z, log_snr, y, free, masks)

    def embed(log_snr, y, mask):
        del log_snr  # but mapped over: without a condition and without a mask there is nothing else
        return dropping(denoiser, mask).net.embed(y)

    def predict(z, log_snr, embedding, mask):
        own = dropping(denoiser, mask)
        normalise = jax.tree.map(_fixed, own.normalise)
        return own.scale(log_snr) * own.net.trunk(normalise(z, log_snr), log_snr, embedding)

    first, rest = parts(free)
    alone = eqx.filter_vmap(embed)(*jax.tree.map(first, (log_snr, None, masks)))
    given = eqx.filter_vmap(embed)(*jax.tree.map(rest, (log_snr, y, masks)))
    arrays, numbers = zip(*(eqx.partition(part, eqx.is_array) for part in (alone, given)))
    if not eqx.tree_equal(*numbers):
        # The numbers say which weights are used: what few rows need would be made for each of them.
        return in_two(denoiser, z, log_snr, y, free, masks)
    embeddings = eqx.combine(jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *arrays), numbers[0])
    baseline = mixed_predictions(jax.tree.map(_fixed, denoiser.baseline), z, log_snr, y, free, masks)
    return baseline + eqx.filter_vmap(predict)(z, log_snr, embeddings, masks)


def _stack(*leaves):
    # A number that all conditions have in common remains one, known while tracing.
    if not any(map(eqx.is_array, leaves)) and len(set(leaves)) == 1:
        return leaves[0]
    return jnp.stack([jnp.asarray(leaf) for leaf in leaves])


def _one(log_snr):
    return jnp.ones_like(log_snr)


def _minus_noise(log_snr):
    return -noise(log_snr)


class Parameterisation(eqx.Module):
    r"""A baseline and a scale, the two choices that a [`entropax.Neural`][] makes beside its network.

    **Arguments:**

    - `baseline`: a denoiser.
    - `scale`: a function of $\lambda$.
    """

    baseline: AbstractDenoiser
    scale: Callable[[Array], Array]


def entropy_matching(std: float = 1.0) -> Parameterisation:
    r"""The network carries only what tells the data from the equilibrium $\mathcal{N}(0, \kappa^2 I)$,

    $$\hat\varepsilon = \hat\varepsilon_\mathrm{eq} + \sqrt{\mathrm{sigmoid}(\lambda)}\;\mathrm{net}, \qquad
      e_\theta = -\frac{\hat\varepsilon - \hat\varepsilon_\mathrm{eq}}{\sqrt\Sigma}.$$

    An untrained network is the equilibrium and stores no information. With $\kappa = 1$ the network predicts the
    velocity $v$, so that this is [`entropax.velocity_matching`][].

    **Arguments:**

    - `std`: $\kappa$.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (5), (6), (9).
    """
    return Parameterisation(Equilibrium(std), signal)


def velocity_matching() -> Parameterisation:
    r"""The network predicts $v = \sqrt a\,\varepsilon - \sqrt{1-a}\,x$, $a = \mathrm{sigmoid}(\lambda)$: then
    $\hat\varepsilon = \sqrt{1-a}\,z + \sqrt a\,\hat v$, entropy matching with $\kappa = 1$."""
    return entropy_matching(1.0)


def score_matching() -> Parameterisation:
    r"""The network is the score of $z$: $\hat\varepsilon = -\sqrt{\mathrm{sigmoid}(-\lambda)}\;\mathrm{net}$. It must
    store what turns the equilibrium back into itself."""
    return Parameterisation(Zero(), _minus_noise)


def noise_matching() -> Parameterisation:
    r"""The network predicts the noise: $\hat\varepsilon = \mathrm{net}$."""
    return Parameterisation(Zero(), _one)


def gaussian_matching(x: Float[Array, "batch dim"], y: Float[Array, "batch dim_y"] | None = None) -> Parameterisation:
    r"""The network carries only what is not Gaussian in the data: the baseline is the optimal denoiser of the Gaussian
    with the moments of `x` (and of `x` given a continuous `y`).

    **Arguments:**

    - `x`, `y`: the samples whose moments count.
    """
    baseline = Gaussian.fit(x) if y is None else ConditionalGaussian.fit(x, y)
    return Parameterisation(baseline, signal)
