import abc

import equinox as eqx
from jaxtyping import Array, Float, PyTree


class AbstractConditionalNetwork(eqx.Module):
    r"""A network that hears its condition through an embedding alone, $\mathrm{net}(z, \lambda, y) =
    \mathrm{trunk}\bigl(z, \lambda, \mathrm{embed}(y)\bigr)$.

    Predictions of one state under several conditions, which guidance asks for, go through such a network in one batch:
    embeddings are stacked and the trunk is mapped over them, see [`entropax.predictions`][]. To add one, subclass this
    and state `embed` and `trunk`.
    """

    @abc.abstractmethod
    def embed(self, y: PyTree | None) -> PyTree:
        """What the trunk is told of a condition, of no condition for `None`: an [`entropax.nn.Embedding`][] or any
        pytree of arrays and numbers, of the same structure and shapes for every condition."""

    @abc.abstractmethod
    def trunk(
        self, z: Float[Array, "*inputs"], log_snr: Float[Array, ""], embedding: PyTree
    ) -> Float[Array, "*outputs"]:
        """The output for one state and one embedding. A number in it is an array where it differs between
        conditions that are asked for together."""

    def __call__(
        self, z: Float[Array, "*inputs"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*outputs"]:
        return self.trunk(z, log_snr, self.embed(y))
