"""What several tests share: cubature that makes the expectation of a quadratic exact."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array


class CubatureNoise(eqx.Module):
    """The noise part of a design, the same at every node."""

    points: Array

    def __call__(self, key, batch, nodes, shape, dtype):
        del key
        assert batch == self.points.shape[0], "one chunk must hold the whole design"
        return jnp.broadcast_to(self.points[:, None], (batch, nodes, *shape)).astype(dtype)


def cubature(problem):
    """Samples (x, y) and noise whose joint first and second moments are exactly those of the problem and N(0, I).

    The rate of a gap between Gaussian denoisers is a quadratic form in (x, y, noise), so that its mean over the points
    ±√D e_k of a whitened space is its expectation: what is left in an integral is the error of the nodes and of the
    arithmetic.
    """
    dim = 2 * problem.dim_x + problem.dim_y
    white = np.sqrt(dim) * np.concatenate([np.eye(dim), -np.eye(dim)])
    x_white, y_white, eps = np.split(white, [problem.dim_x, problem.dim_x + problem.dim_y], axis=1)
    values, vectors = np.linalg.eigh(problem.cov_x)
    x = x_white @ (vectors * np.sqrt(values)).T
    y = x @ problem.matrix_a.T + y_white @ np.linalg.cholesky(problem.cov_noise).T
    return jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32), CubatureNoise(jnp.asarray(eps, jnp.float32))
