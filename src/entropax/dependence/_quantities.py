import math

import jax.random as jr
from jaxtyping import ArrayLike, PRNGKeyArray, Shaped

from .._arguments import check_key
from .._arrays import plain_array
from ..data import Kind
from . import _terms as terms
from ._cross_fitting import CrossFitting
from ._dependence import Dependence
from ._estimate import estimate
from ._neighbours import NearestNeighbours
from ._of_samples import of_columns, of_pair, of_tables
from ._resolution import check_counts


def mutual_information(
    x: Shaped[ArrayLike, "..."],
    y: Shaped[ArrayLike, "..."],
    given: Shaped[ArrayLike, "..."] | None = None,
    *,
    x_kind: Kind = "continuous",
    y_kind: Kind = "auto",
    given_kind: Kind = "auto",
    fitting: CrossFitting | NearestNeighbours = CrossFitting(),
    key: PRNGKeyArray,
) -> Dependence:
    r"""Mutual information $I(X;Y)$, or $I(X;Y \mid C)$ where `given` holds $C$, of samples,

    $$I(X;Y \mid C) = I_{\mathcal N} + J(X \mid Y, C) - J(X \mid C), \qquad
      J(A \mid B) = \tfrac12\int\mathbb E\bigl[\lVert\varepsilon - \hat\varepsilon_{\mathcal N}\rVert^2 -
      \lVert\varepsilon - \hat\varepsilon(z, \lambda \mid b)\rVert^2\bigr]\,\mathrm{d}\lambda.$$

    Numbers become normal scores, of which second moments tell $I_{\mathcal N}$, in closed form and without bias; one
    network learns what every conditional law has beyond its Gaussian, and is measured on samples that it has not seen.
    Of labels $Y$, and of numbers that take few values, it is $\mathbb E\log q(y \mid x, c)/q(y \mid c)$ with a
    cross-fitted mixture of classifiers for $q$, which is never above $H(Y)$. Numbers some of which repeat, as the zeros
    of zero-inflated data, are taken apart in the value that repeats, which classifiers predict, and the rest.

    **Arguments:**

    - `x`: numbers, shape `(num,)` or `(num, dim_x)`.
    - `y`, `given`: the same, or labels: integers, booleans or text.
    - `x_kind`, `y_kind`, `given_kind`: `"continuous"` for numbers, whose order counts, `"discrete"` for labels, which
        have none, `"auto"` for what the dtype says. By default `x` holds numbers, and `y` and `given` go by their
        dtype. `kinds` of the result says what each was taken for.
    - `fitting`: how networks are fitted.
    - `key`: all randomness.

    **Returns:** the estimate. Without `given` it has a p-value of independence.

    **Raises:** `ValueError` as [`entropax.data.check_samples`][] and, of numbers `y`, as
        [`entropax.dependence.gaussian_information`][], with a fold held out; `FloatingPointError` where a training
        diverges.

    **Warns:** `SamplesWarning` where samples are few, copies of each other or functions of each other;
        `ConvergenceWarning` where more would move the estimate; `ResolutionWarning` where it may have no bound, and
        where counting pairs of values gives more than networks find.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (13), (14); Franzese et al., MINDE (2024); Chernozhukov et al.,
        Double/debiased machine learning (2018), for cross-fitting; Barber and Agakov, The IM algorithm (2003), for
        labels.
    """
    sample_key, key = jr.split(check_key(key))
    variables, order = of_pair(x, y, given, (x_kind, y_kind, given_kind), sample_key)
    of_x, of_y = (variable.difficulty for variable in variables[:2])
    # The variable that is easier to predict is the one that is predicted.
    own, other = (1, 0) if of_y < of_x or of_y == 0 else (0, 1)
    return _of_pair(variables, order, [(own, other)], fitting, key)


def two_sided_mutual_information(
    x: Shaped[ArrayLike, "..."],
    y: Shaped[ArrayLike, "..."],
    given: Shaped[ArrayLike, "..."] | None = None,
    *,
    x_kind: Kind = "continuous",
    y_kind: Kind = "continuous",
    given_kind: Kind = "auto",
    fitting: CrossFitting | NearestNeighbours = CrossFitting(),
    key: PRNGKeyArray,
) -> Dependence:
    r"""Mutual information by what either variable tells of the other, $\tfrac12\bigl[J(X \mid Y, C) - J(X \mid C) +
    J(Y \mid X, C) - J(Y \mid C)\bigr]$ beyond $I_{\mathcal N}$: one network learns both, and how far they are apart
    is part of the error bar.

    **Arguments**, **Returns**, **Raises** and **Warns:** as [`entropax.dependence.mutual_information`][], but for `y`,
    which by default holds numbers; `sides` has the estimates by X given Y, and by Y given X.
    """
    sample_key, key = jr.split(check_key(key))
    variables, order = of_pair(x, y, given, (x_kind, y_kind, given_kind), sample_key)
    return _of_pair(variables, order, [(0, 1), (1, 0)], fitting, key)


def _of_pair(variables, order, sides, fitting, key):
    """Mutual information of the first two variables, given the third if there is one."""
    conditions = tuple(range(2, len(variables)))
    found = estimate(
        variables,
        [terms.mutual_information_terms(own, other, conditions) for own, other in sides],
        order,
        name="I(X;Y|C)" if conditions else "I(X;Y)",
        noisy=(0, 1),
        shuffled=() if conditions else (1,),
        fitting=fitting,
        key=key,
        bounds=(0.0, min(variable.entropy for variable in variables[:2])),
    )
    if not conditions:
        check_counts(variables[0], variables[1], found.value, found.stderr)
    return found


def total_correlation(
    x: Shaped[ArrayLike, "num dim"],
    *,
    kind: Kind = "continuous",
    fitting: CrossFitting | NearestNeighbours = CrossFitting(),
    key: PRNGKeyArray,
) -> Dependence:
    r"""Total correlation of the columns of `x`, $\mathrm{TC} = \sum_i H(X_i) - H(X_1, \dots, X_m) =
    \mathrm{KL}\bigl(p \,\Vert\, \prod_i p_i\bigr)$.

    **Arguments**, **Returns**, **Raises** and **Warns:** as [`entropax.dependence.mutual_information`][]; `kind` is
    that of every column, and the p-value is of columns that are all independent.

    ??? cite "Source"
        Watanabe, Information theoretical analysis of multivariate correlation (1960).
    """
    return _of_columns(x, terms.total_correlation_terms, "TC(X)", kind, fitting, key, has_null=True)


def dual_total_correlation(
    x: Shaped[ArrayLike, "num dim"],
    *,
    kind: Kind = "continuous",
    fitting: CrossFitting | NearestNeighbours = CrossFitting(),
    key: PRNGKeyArray,
) -> Dependence:
    r"""Dual total correlation of the columns of `x`, $\mathrm{DTC} = H(X_1, \dots, X_m) - \sum_i H(X_i \mid X_{-i})$:
    what they share.

    **Arguments**, **Returns**, **Raises** and **Warns:** as [`entropax.dependence.total_correlation`][], without a
    p-value.

    ??? cite "Source"
        Han, Nonnegative entropy measures of multivariate symmetric correlations (1978).
    """
    return _of_columns(x, terms.dual_total_correlation_terms, "DTC(X)", kind, fitting, key)


def o_information(
    x: Shaped[ArrayLike, "num dim"],
    *,
    kind: Kind = "continuous",
    fitting: CrossFitting | NearestNeighbours = CrossFitting(),
    key: PRNGKeyArray,
) -> Dependence:
    r"""O-information of the columns of `x`, $\Omega = \mathrm{TC} - \mathrm{DTC}$: above zero where redundancy
    prevails, below zero where synergy does.

    **Arguments**, **Returns**, **Raises** and **Warns:** as [`entropax.dependence.total_correlation`][], without a
    p-value.

    ??? cite "Source"
        Rosas et al., Quantifying high-order interdependencies via multivariate extensions of the mutual information
        (2019).
    """
    return _of_columns(x, terms.o_information_terms, "Ω(X)", kind, fitting, key, least=-math.inf)


def interaction_information(
    x: Shaped[ArrayLike, "..."],
    y: Shaped[ArrayLike, "..."],
    z: Shaped[ArrayLike, "..."],
    *,
    x_kind: Kind = "continuous",
    y_kind: Kind = "continuous",
    z_kind: Kind = "continuous",
    fitting: CrossFitting | NearestNeighbours = CrossFitting(),
    key: PRNGKeyArray,
) -> Dependence:
    r"""Interaction information of three variables, $I(X;Y \mid Z) - I(X;Y)$: above zero where synergy prevails. The
    co-information of Bell and the $I(X;Y;Z)$ of Cover and Thomas have the opposite sign, which is that of
    [`entropax.dependence.o_information`][] of three columns.

    **Arguments**, **Returns**, **Raises** and **Warns:** as [`entropax.dependence.mutual_information`][], without a
    p-value; all three hold numbers by default.

    ??? cite "Source"
        McGill, Multivariate information transmission (1954), for the quantity and its sign; Bell, The co-information
        lattice (2003), and Cover and Thomas, Elements of information theory (2006), Problem 2.25, for the opposite one.
    """
    sample_key, key = jr.split(check_key(key))
    variables, order = of_tables({"x": (x, x_kind), "y": (y, y_kind), "z": (z, z_kind)}, sample_key)
    return estimate(
        variables,
        [terms.interaction_information_terms()],
        order,
        name="I(X;Y;Z)",
        noisy=range(3),
        shuffled=(),
        fitting=fitting,
        key=key,
        bounds=(-math.inf, math.inf),
    )


def _of_columns(x, terms_of, name, kind, fitting, key, *, has_null=False, least=0.0):
    """A quantity of the columns of one table, each a variable; a null is of all of them independent."""
    sample_key, key = jr.split(check_key(key))
    x = plain_array(x, "x")
    if x.ndim != 2 or x.shape[1] < 2:
        raise ValueError(f"`x` must have shape (num, dim) with two columns or more; got {x.shape}.")
    variables, order = of_columns(x, kind, sample_key)
    num = x.shape[1]
    return estimate(
        variables,
        [terms_of(num)],
        order,
        name=name,
        noisy=range(num),
        shuffled=range(1, num) if has_null else (),
        fitting=fitting,
        key=key,
        bounds=(least, math.inf),
    )
