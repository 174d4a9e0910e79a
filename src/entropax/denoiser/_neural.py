import dataclasses
import inspect
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .._untrained import Untrained
from ..nn import AbstractConditionalNetwork
from ._base import AbstractDenoiser, check_range, check_state, noise, signal, Zero
from ._gaussian import ConditionalGaussian, Equilibrium, Gaussian
from ._mixed import dropping, in_two, mixed_predictions, parts
from ._predictions import predictions
from ._units import change_any_units, change_units, ChangedUnits, in_units, Moments, shifted


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
    - `moments`: the moments of the training samples, [`entropax.Moments`][], as [`entropax.fit`][] measures
        them, or `None`. With them, `net`, `baseline`, `scale`, `normalise` and `trained_range` belong to the data in
        the units $u = (x - m)/c$ of the moments, while the denoiser itself remains one of $x$: the noise of both is the
        same, and so is every likelihood up to the constant $d\log c$, which all estimands include. Beyond the trained
        range, down to $\lambda = -9$ and up to 9, where $\mathcal{N}(0, I)$ in the units of $x$ is seen, the
        contribution of the network then follows its asymptotes.
    """

    net: Callable
    baseline: Untrained[AbstractDenoiser]
    scale: Callable[[Array], Array]
    normalise: Untrained[Callable[[Array, Array], Array]]
    trained_range: tuple[float, float] = eqx.field(static=True)
    moments: Untrained[Moments | None] = None

    def __check_init__(self):
        check_range(self.trained_range, "`trained_range`")
        for name, function in (("net", self.net), ("scale", self.scale), ("normalise", self.normalise)):
            if not callable(function) or inspect.isclass(function):
                raise ValueError(f"`{name}` must be a module or a function; got {function!r}.")

    @property
    def log_snr_range(self) -> tuple[float, float]:
        if self.moments is None:
            return self.trained_range
        low, high = shifted(self.trained_range, 1 / self.moments.scale)
        return min(low, _SEEN[0]), max(high, _SEEN[1])

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        z, log_snr = _own_units(self, z, log_snr)
        inner, scale = _extended(self, log_snr)
        baseline, normalise = jax.tree.map(_fixed, (self.baseline, self.normalise))
        return baseline(z, log_snr, y) + scale * self.net(normalise(z, log_snr), inner, y)


# The range of λ in which N(0, I) is neither noise nor resolved.
_SEEN = (-9.0, 9.0)


def _own_units(denoiser: Neural, z, log_snr):
    moments = denoiser.moments
    if moments is None:
        return z, log_snr
    check_state(z, moments.mean.shape)
    return in_units(z, log_snr, _fixed(moments.mean), moments.scale)


def _extended(denoiser: Neural, log_snr):
    """The noise level that the network sees, and the factor of its output. Below the trained range the best network
    no longer changes with λ, but for its scale; above, its contribution falls as the noise does."""
    if denoiser.moments is None:
        return log_snr, denoiser.scale(log_snr)
    low, high = denoiser.trained_range
    above = jnp.maximum(log_snr - high, 0.0)
    return jnp.clip(log_snr, low, high), denoiser.scale(log_snr - above) * jnp.exp(-0.5 * above)


def _fixed(leaf):
    return jax.lax.stop_gradient(leaf) if eqx.is_array(leaf) else leaf


@change_units.register(Neural)
def _(denoiser, origin, scale):
    if denoiser.moments is None:
        return change_any_units(denoiser, origin, scale)
    moments = denoiser.moments
    moments = Moments((moments.mean - origin) / scale, moments.std / scale, moments.scale / scale)
    return dataclasses.replace(denoiser, moments=moments)


def own_model(tree: PyTree) -> Neural | None:
    """The first model in a denoiser, or in any pytree of denoisers, that has stored the moments of its training
    samples, in the units of the denoiser; `None` if there is none.

    **Arguments:**

    - `tree`: the denoiser, or what holds it.
    """
    ends = lambda node: isinstance(node, Neural | ChangedUnits)
    for node in filter(ends, jax.tree.leaves(tree, is_leaf=ends)):
        model = own_model(node.denoiser) if isinstance(node, ChangedUnits) else node
        if model is not None and model.moments is not None:
            changed = isinstance(node, ChangedUnits)
            return change_units(model, node.origin, node.scale) if changed else model  # pyright: ignore
    return None


def moments_of(tree: PyTree) -> Moments | None:
    """The training moments of the first model in a denoiser, or in any pytree of denoisers; `None` if no model in it
    has stored any.

    **Arguments:**

    - `tree`: the denoiser, or what holds it.
    """
    model = own_model(tree)
    return None if model is None else model.moments


def in_own_units(denoiser: AbstractDenoiser) -> AbstractDenoiser:
    r"""A denoiser of $x$ as one of $u = (x - m)/c$, the units of the moments that a model in it has stored; the
    denoiser itself if there are none.

    **Arguments:**

    - `denoiser`: the denoiser.
    """
    moments = moments_of(denoiser)
    return denoiser if moments is None else change_units(denoiser, moments.mean, moments.scale)


@predictions.register(Neural)
def _(denoiser, z, log_snr, conditions):
    z, log_snr = _own_units(denoiser, z, log_snr)
    baseline, normalise = jax.tree.map(_fixed, (denoiser.baseline, denoiser.normalise))
    net, seen = denoiser.net, normalise(z, log_snr)
    inner, scale = _extended(denoiser, log_snr)
    if isinstance(net, AbstractConditionalNetwork) and len(conditions) > 1:
        # The state is shared: what the network makes of it alone is made once.
        embeddings = jax.tree.map(_stack, *map(net.embed, conditions))
        outputs = eqx.filter_vmap(net.trunk, in_axes=(None, None, eqx.if_array(0)))(seen, inner, embeddings)
    else:
        outputs = [net(seen, inner, y) for y in conditions]
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
        inner, scale = _extended(own, log_snr)
        return scale * own.net.trunk(normalise(z, log_snr), inner, embedding)

    first, rest = parts(free)
    alone = eqx.filter_vmap(embed)(*jax.tree.map(first, (log_snr, None, masks)))
    given = eqx.filter_vmap(embed)(*jax.tree.map(rest, (log_snr, y, masks)))
    arrays, numbers = zip(*(eqx.partition(part, eqx.is_array) for part in (alone, given)))
    if not eqx.tree_equal(*numbers):
        # The numbers say which weights are used: what few rows need would be made for each of them.
        return in_two(denoiser, z, log_snr, y, free, masks)
    embeddings = eqx.combine(jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *arrays), numbers[0])
    z, log_snr = jax.vmap(lambda z, log_snr: _own_units(denoiser, z, log_snr))(z, log_snr)
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
