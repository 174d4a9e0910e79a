import jax.random as jr
import numpy as np
from jaxtyping import ArrayLike, PRNGKeyArray, Real, Shaped

from ..data import Kind
from . import _terms as terms
from ._cross_fitting import CrossFitting
from ._dependence import Dependence
from ._estimate import estimate
from ._labels import label_information
from ._of_samples import of_pair, of_tables
from ._variables import Variables


def mutual_information(
    x: Shaped[ArrayLike, "..."],
    y: Shaped[ArrayLike, "..."],
    given: Shaped[ArrayLike, "..."] | None = None,
    *,
    y_kind: Kind = "auto",
    given_kind: Kind = "auto",
    fitting: CrossFitting = CrossFitting(),
    key: PRNGKeyArray,
) -> Dependence:
    r"""Mutual information $I(X;Y)$, or $I(X;Y \mid C)$ where `given` holds $C$, of samples,

    $$I(X;Y \mid C) = I_{\mathcal N} + J(X \mid Y, C) - J(X \mid C), \qquad
      J(A \mid B) = \tfrac12\int\mathbb E\bigl[\lVert\varepsilon - \hat\varepsilon_{\mathcal N}\rVert^2 -
      \lVert\varepsilon - \hat\varepsilon(z, \lambda \mid b)\rVert^2\bigr]\,\mathrm{d}\lambda.$$

    Numbers become normal scores, of which second moments tell $I_{\mathcal N}$, in closed form and without bias; one
    network learns what every conditional law has beyond its Gaussian, and is measured on samples that it has not seen.
    Of labels $Y$ it is $\mathbb E\log q(y \mid x, c)/q(y \mid c)$ with a cross-fitted mixture of classifiers for $q$,
    which is never above $H(Y)$.

    **Arguments:**

    - `x`: numbers, shape `(num,)` or `(num, dim_x)`. Ties, as of whole numbers, are ordered at
        random.
    - `y`, `given`: the same, or labels: integers or text. Conditions are labels by their dtype.
    - `y_kind`, `given_kind`: `"discrete"` or `"continuous"` overrules the dtype.
    - `fitting`: how networks are fitted.
    - `key`: all randomness.

    **Returns:** the estimate. Without `given` it has a p-value of independence.

    **Raises:** `ValueError` as [`entropax.data.check_samples`][] and, of numbers `y`, as
        [`entropax.dependence.gaussian_information`][], with a fold held out; `FloatingPointError` where a training
        diverges.

    **Warns:** `SamplesWarning` where samples are few, copies of each other or functions of each other;
        `ConvergenceWarning` where more would move the estimate; `ResolutionWarning` where it may have no bound.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (13), (14); Franzese et al., MINDE (2024); Chernozhukov et al.,
        Double/debiased machine learning (2018), for cross-fitting; Barber and Agakov, The IM algorithm (2003), for
        labels.
    """
    sides = [terms.mutual_information_terms(0, 1, () if given is None else (2,))]
    return _mutual_information(x, y, given, y_kind, given_kind, sides, fitting, key)


def two_sided_mutual_information(
    x: Shaped[ArrayLike, "..."],
    y: Real[ArrayLike, "..."],
    given: Shaped[ArrayLike, "..."] | None = None,
    *,
    given_kind: Kind = "auto",
    fitting: CrossFitting = CrossFitting(),
    key: PRNGKeyArray,
) -> Dependence:
    r"""Mutual information by what either variable tells of the other, $\tfrac12\bigl[J(X \mid Y, C) - J(X \mid C) +
    J(Y \mid X, C) - J(Y \mid C)\bigr]$ beyond $I_{\mathcal N}$: one network learns both, and how far they are apart
    is part of the error bar.

    **Arguments**, **Returns**, **Raises** and **Warns:** as [`entropax.dependence.mutual_information`][], of numbers
    in `y`; `sides` has the estimates by X given Y, and by Y given X.
    """
    conditions = () if given is None else (2,)
    sides = [terms.mutual_information_terms(0, 1, conditions), terms.mutual_information_terms(1, 0, conditions)]
    return _mutual_information(x, y, given, "continuous", given_kind, sides, fitting, key)


def _mutual_information(x, y, given, y_kind, given_kind, sides, fitting, key):
    sample_key, key = jr.split(key)
    variables, order, labels = of_pair(x, y, given, y_kind=y_kind, given_kind=given_kind, key=sample_key)
    conditioned = given is not None
    name = "I(X;Y|C)" if conditioned else "I(X;Y)"
    if labels is not None:
        return label_information(variables, labels, order, name=name, fitting=fitting, key=key)
    return estimate(
        variables,
        sides,
        order,
        name=name,
        names=("x", "y", "given") if conditioned else ("x", "y"),
        noisy=(0, 1),
        shuffled=() if conditioned else (1,),
        fitting=fitting,
        key=key,
    )


def total_correlation(
    x: Shaped[ArrayLike, "num dim"], *, fitting: CrossFitting = CrossFitting(), key: PRNGKeyArray
) -> Dependence:
    r"""Total correlation of the columns of `x`, $\mathrm{TC} = \sum_i H(X_i) - H(X_1, \dots, X_m) =
    \mathrm{KL}\bigl(p \,\Vert\, \prod_i p_i\bigr)$.

    **Arguments**, **Returns**, **Raises** and **Warns:** as [`entropax.dependence.mutual_information`][]; the p-value
    is of columns that are all independent.

    ??? cite "Source"
        Watanabe, Information theoretical analysis of multivariate correlation (1960).
    """
    return _of_columns(x, terms.total_correlation_terms, "TC(X)", fitting, key, has_null=True)


def dual_total_correlation(
    x: Shaped[ArrayLike, "num dim"], *, fitting: CrossFitting = CrossFitting(), key: PRNGKeyArray
) -> Dependence:
    r"""Dual total correlation of the columns of `x`, $\mathrm{DTC} = H(X_1, \dots, X_m) - \sum_i H(X_i \mid X_{-i})$:
    what they share.

    **Arguments**, **Returns**, **Raises** and **Warns:** as [`entropax.dependence.mutual_information`][], without a
    p-value.

    ??? cite "Source"
        Han, Nonnegative entropy measures of multivariate symmetric correlations (1978).
    """
    return _of_columns(x, terms.dual_total_correlation_terms, "DTC(X)", fitting, key)


def o_information(
    x: Shaped[ArrayLike, "num dim"], *, fitting: CrossFitting = CrossFitting(), key: PRNGKeyArray
) -> Dependence:
    r"""O-information of the columns of `x`, $\Omega = \mathrm{TC} - \mathrm{DTC}$: above zero where redundancy
    prevails, below zero where synergy does.

    **Arguments**, **Returns**, **Raises** and **Warns:** as [`entropax.dependence.mutual_information`][], without a
    p-value.

    ??? cite "Source"
        Rosas et al., Quantifying high-order interdependencies via multivariate extensions of the mutual information
        (2019).
    """
    return _of_columns(x, terms.o_information_terms, "Ω(X)", fitting, key)


def interaction_information(
    x: Shaped[ArrayLike, "..."],
    y: Shaped[ArrayLike, "..."],
    z: Shaped[ArrayLike, "..."],
    *,
    fitting: CrossFitting = CrossFitting(),
    key: PRNGKeyArray,
) -> Dependence:
    r"""Interaction information of three variables, $I(X;Y \mid Z) - I(X;Y)$: above zero where synergy prevails. The
    co-information of Bell and the $I(X;Y;Z)$ of Cover and Thomas have the opposite sign, which is that of
    [`entropax.dependence.o_information`][] of three columns.

    **Arguments**, **Returns**, **Raises** and **Warns:** as [`entropax.dependence.mutual_information`][], for numbers
    and without a p-value.

    ??? cite "Source"
        McGill, Multivariate information transmission (1954), for the quantity and its sign; Bell, The co-information
        lattice (2003), and Cover and Thomas, Elements of information theory (2006), Problem 2.25, for the opposite one.
    """
    sample_key, key = jr.split(key)
    variables, order, _ = of_tables(sample_key, x=x, y=y, z=z)
    return estimate(
        variables,
        [terms.interaction_information_terms()],
        order,
        name="I(X;Y;Z)",
        names=("x", "y", "z"),
        noisy=range(3),
        shuffled=(),
        fitting=fitting,
        key=key,
    )


def _of_columns(x, terms_of, name, fitting, key, *, has_null=False):
    """A quantity of the columns of one table, each a variable; a null is of all of them independent."""
    sample_key, key = jr.split(key)
    x = np.asarray(x)
    if x.ndim != 2 or x.shape[1] < 2:
        raise ValueError(f"`x` must have shape (num, dim) with two columns or more; got {x.shape}.")
    variables, order, _ = of_tables(sample_key, x=x)
    num = x.shape[1]
    return estimate(
        Variables(variables.values, (1,) * num, (True,) * num),
        [terms_of(num)],
        order,
        name=name,
        names=("x",),
        noisy=range(num),
        shuffled=range(1, num) if has_null else (),
        fitting=fitting,
        key=key,
    )
