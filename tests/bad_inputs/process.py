# pyright: reportArgumentType=false, reportCallIssue=false
"""Bad inputs of processes and clocks."""

import jax.numpy as jnp
import numpy as np

import entropax as ex
from tests.bad_inputs import BadInput


def of(name, call, *says):
    return BadInput(name, call, ValueError, says)


VP, VE, SCHEDULED = ex.VariancePreserving, ex.VarianceExploding, ex.ScheduledVariancePreserving
INPUTS = [
    of("beta_min above beta_max", lambda: VP(16.0, 0.1), "`beta_min`", "at most `beta_max`", "16.0 and 0.1"),
    of("negative beta_min", lambda: VP(beta_min=-0.1), "`beta_min`", "positive", "-0.1"),
    of("NaN beta_max", lambda: VP(beta_max=float("nan")), "`beta_max`", "finite", "nan"),
    of("kappa of zero", lambda: VP(kappa=0.0), "`kappa`", "positive", "0.0"),
    of("T of zero", lambda: VP(T=0.0), "`T`", "positive", "0.0"),
    of("negative T as an array", lambda: VP(T=jnp.asarray(-1.0)), "`T`", "positive", "-1.0"),
    of("T as text", lambda: VP(T="1"), "`T`", "number", "'1'"),
    of("T of None", lambda: ex.NoiseRatio(T=None), "`T`", "number", "None"),
    of("infinite T", lambda: ex.Brownian(T=float("inf")), "`T`", "finite", "inf"),
    of("sub-VP reversed", lambda: ex.SubVariancePreserving(16.0, 0.1), "`beta_min`", "`beta_max`", "16.0 and 0.1"),
    of("VE reversed", lambda: VE(sigma_min=50.0, sigma_max=0.01), "`sigma_min`", "less than `sigma_max`", "50.0"),
    of("VE of no noise", lambda: VE(sigma_min=0.0), "`sigma_min`", "positive", "0.0"),
    of("cosine to 1", lambda: ex.Cosine(T=1.0), "`T`", "less than 1", "1.0"),
    of("straight line beyond 1", lambda: ex.StraightLine(T=2.0), "`T`", "less than 1", "2.0"),
    of("straight line of negative kappa", lambda: ex.StraightLine(kappa=-1.0), "`kappa`", "positive", "-1.0"),
    of("log-SNR from infinity", lambda: ex.LogSNR(highest=float("inf")), "`highest`", "finite", "inf"),
    of("rates that are NaN", lambda: SCHEDULED(jnp.array([0.0, jnp.nan])), "`log_rates`", "finite"),
    of("one rate", lambda: SCHEDULED(jnp.zeros(1)), "`log_rates`", "two numbers", "(1,)"),
    of("total of zero", lambda: SCHEDULED(jnp.zeros(3), total=0.0), "`total`", "positive", "0.0"),
    of("times reversed", lambda: VP().log_snr_range(0.5, 0.1), "`s_min`", "`s_max`", "0.5, 0.1"),
    of(
        "clock given as a class",
        lambda: ex.change_clock(VP(), ex.NoiseRatio, jnp.zeros(2), jnp.asarray(0.5)),
        "`other`",
        "the class entropax.NoiseRatio",
        "NoiseRatio(...)",
    ),
    of("T as an array", lambda: VP(T=jnp.ones(3)), "`T`", "one number", "(3,)"),
    of("T as a list", lambda: VP(T=[1.0]), "`T`", "number", "[1.0]"),
    of("cosine of a complex T", lambda: ex.Cosine(T=1j), "`T`", "number", "1j"),
    of("straight line of no T", lambda: ex.StraightLine(T=None), "`T`", "number", "None"),
    of("VE of noise in words", lambda: VE(sigma_max="a"), "`sigma_max`", "number", "'a'"),
    of("masked rates", lambda: SCHEDULED(np.ma.array([0.0, 1.0], mask=[False, True])), "`log_rates`", "masks 1 of 2"),
    of("complex rates", lambda: SCHEDULED(np.array([0.0, 1j])), "`log_rates`", "complex128"),
    of(
        "another clock at time zero",
        lambda: ex.change_clock(VP(), ex.Cosine(), jnp.ones(2), 0.0),
        "`s`",
        "above 0",
        "0",
    ),
    of("another clock of NaN", lambda: ex.change_clock(VP(), ex.Cosine(), np.array([np.nan]), 0.5), "`x`", "finite"),
    of("another clock of words", lambda: ex.change_clock(VP(), ex.Cosine(), "a", 0.5), "`x`", "numbers", "text"),
    of(
        "another clock of no process", lambda: ex.change_clock(None, ex.Cosine(), jnp.ones(2), 0.5), "`process`", "None"
    ),
]
