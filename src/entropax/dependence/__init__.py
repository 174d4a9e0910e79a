"""Dependence of variables that are known by samples alone: mutual information, conditional, total and dual total
correlation, O-information, transfer entropy, each with an interval that covers."""

from ._cross_fitting import CrossFitting as CrossFitting
from ._dependence import ConvergenceWarning as ConvergenceWarning, Dependence as Dependence
from ._gaussian import gaussian_information as gaussian_information
from ._neighbours import NearestNeighbours as NearestNeighbours, ResolutionWarning as ResolutionWarning
from ._quantities import (
    dual_total_correlation as dual_total_correlation,
    interaction_information as interaction_information,
    mutual_information as mutual_information,
    o_information as o_information,
    total_correlation as total_correlation,
    transfer_entropy as transfer_entropy,
    two_sided_mutual_information as two_sided_mutual_information,
)
