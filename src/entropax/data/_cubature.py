import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ._joint_gaussian import JointGaussian


class _FixedNoise(eqx.Module):
    """The noise part of a design, the same at every node: what an integrator takes for `noise`."""

    points: Float[Array, "batch dim"]

    def __call__(self, key: PRNGKeyArray, batch: int, nodes: int, shape: tuple[int, ...], dtype) -> Array:
        del key
        if batch != len(self.points):
            raise ValueError(f"One chunk must hold the whole design of {len(self.points)} points; got {batch}.")
        return jnp.broadcast_to(self.points[:, None], (batch, nodes, *shape)).astype(dtype)


def cubature(problem: JointGaussian) -> tuple[Float[Array, "batch dim_x"], Float[Array, "batch dim_y"], _FixedNoise]:
    r"""Points $(x, y)$ and noise whose joint first and second moments are exactly those of a joint Gaussian and of
    $\mathcal{N}(0, I)$: the points $\pm\sqrt D\,e_k$ of the whitened space, $D = 2D_X + D_Y$.

    The gap between Gaussian denoisers is quadratic in $(x, y, \varepsilon)$, so that its mean over these few points is
    its expectation. What is left in an integral is the error of its nodes and of the arithmetic.

    **Arguments:**

    - `problem`: the law.

    **Returns:** `x`, `y`, and the `noise` for `ex.Integrator(nodes=ex.GaussLegendre(...), noise=noise)`.
    """
    dim = 2 * problem.dim_x + problem.dim_y
    white = np.sqrt(dim) * np.concatenate([np.eye(dim), -np.eye(dim)])
    x, y, eps = np.split(white, [problem.dim_x, problem.dim_x + problem.dim_y], axis=1)
    variances, axes = np.linalg.eigh(problem.cov_x)
    x = x @ (axes * np.sqrt(variances)).T
    y = x @ problem.matrix_a.T + y @ np.linalg.cholesky(problem.cov_noise).T
    return jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32), _FixedNoise(jnp.asarray(eps, jnp.float32))
