import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PyTree

from .._arguments import check_whole
from ._base import AbstractDenoiser, check_state
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
        """Each column's density by a mixture of Gaussians in one dimension (maximum likelihood).

        **Arguments:**

        - `x`: the samples.
        - `components`: how many Gaussians each column gets.
        """
        from sklearn.mixture import GaussianMixture as Mixture

        table = as_table(x, "x")
        check_whole("components", components, least=1)
        if len(table) < components:
            raise ValueError(f"`components` must be no more than there are samples, {len(table)}; got {components}.")
        constant = np.flatnonzero(np.ptp(table, axis=0) == 0)
        if constant.size:
            raise ValueError(
                f"`x` must vary in each column to have a density; column {constant[0]} is constant, "
                f"{table[0, constant[0]]:g}."
            )
        stack = []
        for column in table.T:
            fitted = Mixture(components, reg_covar=1e-6 * column.var(), random_state=0).fit(column[:, None])
            weights = np.asarray(fitted.weights_)
            means, covs = np.asarray(fitted.means_), np.asarray(fitted.covariances_)
            stack.append(GaussianMixture(weights / weights.sum(), means, covs))
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


def _along_coordinate(denoiser, coordinate, log_snr, y):
    return denoiser(coordinate[None], log_snr, y)[0]


# Neither has a condition.
@check_labels.register(Product)
@check_labels.register(LearnedProduct)
def _(model, y, name):
    del model, y, name
