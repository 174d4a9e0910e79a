import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ._coordinates import Tables


_WIDTH = 64
_DEPTH = 3
_FREQUENCIES = 8


class _Block(eqx.Module):
    """A gated residual block on inputs of unit size, which the noise level and the law scale and shift."""

    rise: Float[Array, "width gates"]
    fall: Float[Array, "hidden width"]
    modulation: Float[Array, "features both"]

    def __init__(self, features: int, *, key: PRNGKeyArray):
        rise_key, fall_key = jr.split(key)
        hidden = 2 * _WIDTH
        self.rise = jr.normal(rise_key, (_WIDTH, 2 * hidden)) / _WIDTH**0.5
        self.fall = 0.5 * jr.normal(fall_key, (hidden, _WIDTH)) / hidden**0.5
        self.modulation = jnp.zeros((features, 2 * _WIDTH))

    def __call__(self, h, features):
        scale, shift = jnp.split(features @ self.modulation, 2, -1)
        gate, value = jnp.split((_unit(h) * (1 + scale) + shift) @ self.rise, 2, -1)
        return h + (jax.nn.silu(gate) * value) @ self.fall


class Departure(eqx.Module):
    r"""One network for the departure of every conditional law from its Gaussian,

    $$\hat\varepsilon(z, \lambda, v) = \hat\varepsilon_{\mathcal N}(z, \lambda, v) +
      \sqrt s\,(\mathrm{edge} + \sqrt s\,\mathrm{smooth})(z, \lambda, v), \qquad s^2 = \frac{ab}{ae + b}, \quad
      a, b = \mathrm{sigmoid}(\pm\lambda).$$

    The score of a smooth law stays as it is where noise vanishes; where a law has an edge it grows without end, and the
    second of two heads is for it. $e$ is the variance that the Gaussian leaves.

    A variable is noised, seen as it is, or hidden. The network sees the noised state, what is seen, the Gaussian's
    prediction, squares and radii of all of them (what second moments hold is in the Gaussian, and the next to matter
    are changes of scale), and the role of each variable. It starts at zero, the Gaussian itself.

    **Arguments:**

    - `dim`, `variables`: of the samples.
    - `key`: for the initialisation.
    """

    inputs: Float[Array, "inputs width"]
    modulation: Float[Array, "features width"]
    blocks: list[_Block]
    output: Float[Array, "width dim"]

    def __init__(self, dim: int, variables: int, *, key: PRNGKeyArray):
        input_key, feature_key, *block_keys = jr.split(key, 2 + _DEPTH)
        inputs, features = 5 * dim + 4 * variables, 2 * _FREQUENCIES + 3 + 2 * variables
        self.inputs = jr.normal(input_key, (inputs, _WIDTH)) / inputs**0.5
        self.modulation = jr.normal(feature_key, (features, _WIDTH)) / features**0.5
        self.blocks = [_Block(features, key=block_key) for block_key in block_keys]
        self.output = jnp.zeros((_WIDTH, 2 * dim))

    def __call__(
        self,
        tables: Tables,
        law: Array,
        z: Float[Array, "batch dim"],
        log_snr: Float[Array, " batch"],
        v: Float[Array, "batch dim"],
        gaussian: Float[Array, "batch dim"],
        sign: Float[Array, " batch"],
    ) -> Float[Array, "batch dim"]:
        """The noise in `z`, of which `gaussian` is what the tables expect; `law` is one for each of the batch, and
        `sign` whether a sample is seen as it is, 1, or through the origin, -1."""
        of, given = tables.of[law], tables.given[law]
        z, v = jnp.where(of, z, 0), jnp.where(given, v, 0)
        member = tables.member.astype(z.dtype)
        sizes = member.sum(1)
        seen = []
        for values, shown in ((z, of), (v, given)):
            seen += [values * tables.scale[None], jnp.where(shown, (values**2 - 1) / 2**0.5, 0) * tables.scale[None]]
            radius, visible = values**2 @ member.T / sizes[None], shown.astype(z.dtype) @ member.T > 0
            seen += [
                jnp.where(visible, jnp.sqrt(sizes / 2)[None] * of_radius, 0)
                for of_radius in (radius - 1, jnp.log(radius + 0.05))
            ]
        a, b = jax.nn.sigmoid(log_snr)[:, None], jax.nn.sigmoid(-log_snr)[:, None]
        expected = a * tables.spread[law] + b
        h = jnp.concatenate([*seen, jnp.where(of, jnp.sqrt(expected / b) * gaussian, 0) * tables.scale[None]], -1)
        phases = 0.2 * jnp.arange(1, _FREQUENCIES + 1, dtype=z.dtype)[None] * log_snr[:, None]
        roles = [(shown.astype(z.dtype) @ member.T > 0).astype(z.dtype) for shown in (of, given)]
        rest = jnp.stack([log_snr / 8, sign, jnp.ones_like(log_snr)], -1)
        features = jnp.concatenate([jnp.sin(phases), jnp.cos(phases), rest, *roles], -1)
        h = h @ self.inputs + features @ self.modulation
        for block in self.blocks:
            h = block(h, features)
        smooth, edge = jnp.split(_unit(h) @ self.output, 2, -1)
        scale = jnp.sqrt(a * b / expected)
        return gaussian + jnp.where(of, scale * smooth + jnp.sqrt(scale) * edge, 0)


def _unit(h: Float[Array, "batch width"]) -> Float[Array, "batch width"]:
    return h * jax.lax.rsqrt(jnp.mean(h**2, -1, keepdims=True) + 1e-6)
