import numpy as np


def check_matrix(value, name: str, shape: tuple[int | None, int | None]) -> np.ndarray:
    matrix = np.asarray(value, np.float64)
    wanted = ", ".join("any" if size is None else str(size) for size in shape)
    fits = matrix.ndim == 2 and all(want in (None, size) for size, want in zip(matrix.shape, shape))
    if not fits or 0 in matrix.shape:
        raise ValueError(f"`{name}` must have shape ({wanted}); got {matrix.shape}.")
    if not np.isfinite(matrix).all():
        raise ValueError(f"`{name}` must be finite; it holds NaN or infinity.")
    return matrix


def check_covariance(value, name: str, size: int | None) -> np.ndarray:
    cov = check_matrix(value, name, (size, size))
    if cov.shape[0] != cov.shape[1]:
        raise ValueError(f"`{name}` must be a square matrix; got shape {cov.shape}.")
    asymmetry = np.abs(cov - cov.T).max()
    # A covariance that was computed in float32 passes.
    if asymmetry > 1e-6 * np.abs(cov).max():
        raise ValueError(f"`{name}` must be symmetric; it differs from its transpose by up to {asymmetry:.3g}.")
    cov = 0.5 * (cov + cov.T)
    eigenvalues = np.linalg.eigvalsh(cov)
    if eigenvalues[0] <= len(cov) * np.finfo(np.float64).eps * eigenvalues[-1]:
        raise ValueError(
            f"`{name}` must be positive definite; its smallest eigenvalue is "
            f"{eigenvalues[0]:.3g} and its largest {eigenvalues[-1]:.3g}."
        )
    return cov


def check_positive(value: float, name: str) -> None:
    if not value > 0:
        raise ValueError(f"`{name}` must be positive; got {value}.")
