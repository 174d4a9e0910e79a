"""The diffusion gambler: bets on a continuous X, by the densities of a trained model.

    just run diffusion_gambler

The dealer's odds are fair to one who knows p(x) alone: a bet of density b(x|y) multiplies wealth by b(x|y)/p(x)
("Diffusion models are Kelly gamblers", Sec. 3). Of the joint Gaussian of seed 10 everything is known: log wealth grows
by I(X;Y) = 20.044 nats a round for p(x|y), by KL less for one who believes in half of the noise, and by E log(½ + ½
p(x|y)/p(x)) for one who keeps half. The trained model bets by its pointwise i(x;y). Against odds on the components one
by one, Π p(x_k), joint bets grow by TC(X) = 9.394 (Eq. (8)). Of digits, with Y the label, odds are those of the model
without it.

About six minutes of one core. Expected: the model within 0.5 % of I(X;Y) and 1 % of TC(X); digits 2.15 nats a round, no
more than H(Y) = 2.299.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from runs import digits
from runs._record import main, pair, Record
from runs.kelly_game import LEVELS


@dataclasses.dataclass(frozen=True)
class Config:
    """Who plays.

    **Arguments:**

    - `dim_x`, `dim_y`, `noise_std`, `problem_seed`: of the joint Gaussian.
    - `train_samples`, `steps`: of its model.
    - `players`, `rounds`: how many there are.
    - `nodes`: noise levels for each round of the model's.
    - `believed`: the share of σ_ε that the wrong law takes for it.
    - `fraction`: of the wealth that the cautious one bets.
    - `digit_steps`: of the training on digits.
    - `orders`: in which the unseen digits come.
    """

    seed: int = 0
    dim_x: int = 25
    dim_y: int = 15
    noise_std: float = 1.0
    problem_seed: int = 10
    train_samples: int = 20_000
    steps: int = 8_000
    players: int = 200
    rounds: int = 100
    nodes: int = 24
    believed: float = 0.5
    fraction: float = 0.5
    digit_steps: int = 5_000
    orders: int = 200


PRESETS = {
    "smoke": Config(dim_x=6, dim_y=3, train_samples=2_000, steps=300, players=20, rounds=40, digit_steps=40, orders=20),
    "default": Config(),
    "paper": Config(steps=20_000, players=1_000, nodes=32),
}


def log_ratio(problem: ex.data.JointGaussian, believed: ex.data.JointGaussian, x, y) -> jax.Array:
    """log q(x|y)/p(x) of each pair, where q is a law that is believed in, and p the true one."""
    prior = ex.Gaussian(np.zeros(problem.dim_x), problem.cov_x)
    posterior = ex.Gaussian(np.zeros(problem.dim_x), believed.cov_x_given_y)
    residual = x - jnp.matmul(y, jnp.asarray(believed.gain.T, x.dtype), precision="highest")
    return jax.vmap(posterior.log_density)(residual) - jax.vmap(prior.log_density)(x)


def divergence(problem: ex.data.JointGaussian, believed: ex.data.JointGaussian) -> float:
    r"""E_y KL(p(x|y) ‖ q(x|y)) in closed form."""
    mean, other = np.zeros(problem.dim_x), believed.cov_x_given_y
    off = believed.gain - problem.gain
    of_means = 0.5 * np.trace(np.linalg.solve(other, off @ problem.cov_y @ off.T))
    return ex.distance.gaussian_kl(mean, problem.cov_x_given_y, mean, other) + float(of_means)


def believed_in(problem: ex.data.JointGaussian, share: float) -> ex.data.JointGaussian:
    """The same law, but for noise that is taken for less than it is."""
    return ex.data.JointGaussian(problem.cov_x, problem.matrix_a, share**2 * problem.cov_noise)


def row(returns: jax.Array, exact: float | None) -> dict[str, float | None]:
    """The growth rate of all rounds, beside what is known."""
    rate = ex.integral.mean_of(jnp.ravel(returns))
    return {"exact": exact} | pair(rate)


def bands(returns) -> np.ndarray:
    """Quantiles of log wealth, shape `(levels, rounds)`, of returns of shape `(players, rounds)`."""
    return np.quantile(np.cumsum(np.asarray(returns, np.float64), 1), LEVELS, axis=0)


def gaussian(config: Config, record: Record) -> tuple[dict, dict]:
    """Bets on X of a joint Gaussian given Y, and on its components together."""
    problem = ex.data.JointGaussian.random(
        jr.key(config.problem_seed), dim_x=config.dim_x, dim_y=config.dim_y, noise_std=config.noise_std
    )
    data_key, fit_key, sample_key, node_key = jr.split(jr.key(config.seed), 4)
    with record.stage("train on the Gaussian"):
        checkpoints = ex.Checkpoints(record.directory / "checkpoints", record.plain_config)
        learn = problem.sample(data_key, config.train_samples)
        settings = ex.Settings(steps=config.steps)
        model = ex.fit(*learn, key=fit_key, settings=settings, checkpoints=checkpoints)
    shape = config.players, config.rounds
    x, y = problem.sample(sample_key, config.players * config.rounds)
    wrong = believed_in(problem, config.believed)
    known = log_ratio(problem, problem, x, y)
    kept = lambda ratio: jnp.log1p(config.fraction * jnp.expm1(ratio))
    with record.stage("bets on the Gaussian"):
        integrator = ex.Integrator(nodes=ex.Stratified(config.nodes))
        told = ex.mutual_information(model, x, y, key=node_key, integrator=integrator)
        own = ex.nll(model, x, key=node_key, baseline=ex.Gaussian.fit(learn[0]), integrator=integrator)
    assert told.pointwise is not None and own.pointwise is not None
    one_by_one = jax.vmap(problem.marginals().log_density)(x)
    joint = jax.vmap(ex.Gaussian(np.zeros(problem.dim_x), problem.cov_x).log_density)(x)
    information = problem.mutual_information
    returns = {
        "p(x|y)": (known, information),
        "model": (told.pointwise, information),
        "fractional": (kept(known), None),
        "wrong": (log_ratio(problem, wrong, x, y), information - divergence(problem, wrong)),
        "joint": (joint - one_by_one, problem.total_correlation),
        "joint, model": (-own.pointwise - one_by_one, problem.total_correlation),
    }
    rows = {name: row(found, exact) for name, (found, exact) in returns.items()}
    return rows, {name: bands(found.reshape(shape)) for name, (found, _) in returns.items()}


def labels(config: Config, record: Record) -> tuple[dict, dict]:
    """Bets on digits given their label: by Bayes p(x|y)/p(x) is p(y|x)/p(y)."""
    with record.stage("train on digits"):
        checkpoints = ex.Checkpoints(record.directory / "digit_checkpoints", record.plain_config)
        model = digits.fit(config.seed, config.digit_steps, checkpoints=checkpoints).denoiser
    _, (x, y) = digits.split(config.seed)
    integrator = ex.Integrator(nodes=ex.Stratified(128), log_snr_range=digits.DECIDING_RANGE)
    with record.stage("bets on digits"):
        told = ex.mutual_information(model, x, y, key=jr.key(config.seed + 2), integrator=integrator)
    assert told.pointwise is not None
    pointwise = np.asarray(told.pointwise)
    rng = np.random.default_rng(config.seed)
    orders = np.stack([rng.permutation(len(pointwise)) for _ in range(config.orders)])
    rows = {"digits": pair(told) | {"bound": ex.label_entropy(y)}}
    return rows, {"digits": bands(pointwise[orders])}


def run(config: Config, record: Record) -> dict[str, Any]:
    (rows, arrays), (more, digit_arrays) = gaussian(config, record), labels(config, record)
    record.save(**arrays, **digit_arrays)
    return rows | more


if __name__ == "__main__":
    main(PRESETS, run)
