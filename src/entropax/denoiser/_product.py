import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PyTree

from .._arguments import check_whole
from .._arrays import check_spread
from ._base import AbstractDenoiser, check_state
from ._em import fit_mixture
from ._gaussian import as_table
from ._labels import check_labels
from ._mixture import GaussianMixture


class Product(AbstractDenoiser):
    r"""The optimal denoiser of a product of one-dimensional marginals, $\prod_k p_k(x_k)$,

    $$\hat\varepsilon(z, \lambda)_k = \hat\varepsilon_k(z_k, \lambda).$$

    The gap between a denoiser of $p(x)$ and this one is the total correlation.

    **Arguments:**

    - `marginals`: one-dimensional denoisers, all of one kind, stacked: every array of theirs carries a leading axis of
        length `dim` (`eqx.filter_vmap` over a constructor makes such a stack).
    """

    marginals: AbstractDenoiser

    @classmethod
    def fit(cls, x: Float[ArrayLike, "batch dim"], components: int = 4) -> "Product":
        r"""Each column's density by a mixture of Gaussians in one dimension, fitted by maximum likelihood. It has the
        number of components $c$ with the least Akaike information criterion, $-2\log L + 2(3c - 1)$, an estimate of
        the divergence of the data's distribution from the fit, which both too few components and too many add to.

        **Arguments:**

        - `x`: the samples.
        - `components`: how many Gaussians each column gets at most.

        **Raises:** `ValueError` on fewer than two samples, values that are not finite, and constant columns.

        ??? cite "Source"
            Akaike, A new look at the statistical model identification (1974).
        """
        check_whole("components", components, least=1)
        values = as_table(x, "x")
        for k, column in enumerate(values.T):
            if column.min() == column.max():
                raise ValueError(
                    f"`x` must hold values that differ in every column; of x[:, {k}] all are {column[0]:g}."
                )
            # Each is a distribution of its own, whatever the others' scales.
            check_spread(column[:, None], f"x[:, {k}]")
        stack = []
        for column in values.T:
            location, scale = column.mean(), column.std()
            weights, means, variances = fit_mixture((column - location) / scale, components)
            means, covs = location + scale * means, scale**2 * variances
            stack.append(GaussianMixture(weights, means[:, None], covs[:, None, None]))
        return cls(jax.tree.map(lambda *leaves: jnp.stack(leaves), *stack))

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return self.marginals.log_snr_range

    def __call__(
        self, z: Float[Array, " dim"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, " dim"]:
        # A mixture would take y for one of its own components.
        del y
        sizes = {leaf.shape[0] for leaf in jax.tree.leaves(self.marginals) if eqx.is_array(leaf) and leaf.ndim}
        if len(sizes) == 1:
            check_state(z, (*sizes,))
        return eqx.filter_vmap(_along_coordinate, in_axes=(eqx.if_array(0), 0, None, None))(
            self.marginals, z, log_snr, None
        )

    def dimension(self, x: Float[Array, " dim"], y: PyTree | None = None) -> Float[Array, ""]:
        del y
        along = eqx.filter_vmap(_dimension_along, in_axes=(eqx.if_array(0), 0, None))
        return jnp.sum(along(self.marginals, x, None))


class LearnedProduct(AbstractDenoiser):
    r"""The product of marginals that one conditional denoiser holds, whose condition is the index of the coordinate,

    $$\hat\varepsilon(z, \lambda)_k = \hat\varepsilon(z_k, \lambda, y = k).$$

    **Arguments:**

    - `denoiser`: a one-dimensional denoiser that was fitted on (value, column) pairs.
    """

    denoiser: AbstractDenoiser

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return self.denoiser.log_snr_range

    def __call__(
        self, z: Float[Array, " dim"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, " dim"]:
        del y
        check_labels(self.denoiser, np.arange(z.shape[0]), "column")
        columns = jnp.arange(z.shape[0])
        return jax.vmap(_along_coordinate, (None, 0, None, 0))(self.denoiser, z, log_snr, columns)

    def dimension(self, x: Float[Array, " dim"], y: PyTree | None = None) -> Float[Array, ""]:
        del y
        return jnp.sum(jax.vmap(_dimension_along, (None, 0, 0))(self.denoiser, x, jnp.arange(x.shape[0])))


def _along_coordinate(denoiser, coordinate, log_snr, y):
    return denoiser(coordinate[None], log_snr, y)[0]


def _dimension_along(denoiser, coordinate, y):
    return denoiser.dimension(coordinate[None], y)


# Neither has a condition.
@check_labels.register(Product)
@check_labels.register(LearnedProduct)
def _(model, y, name):
    del model, y, name
