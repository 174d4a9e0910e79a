"""Images: S_NN, I(X;Y), total correlation, bits/dim and samples of a class-conditional U-Net.

    just run images                         # the 8×8 digits of scikit-learn, about 40 minutes on one core
    just run images --preset cpu            # 5 000 images of MNIST (pip install "entropax[mnist]"), 50 minutes likewise
    just run images --preset paper          # all of MNIST (a GPU); --data cifar10

One network, with and without the label. What pixels tell one by one is in its baseline, exact from the start, so that
the network carries the total correlation. Mutual information by four methods, beside H(Y) <= ln 10, along the training
too; what is still legible of the label at a noise level, I(x_s;Y), by the posterior form, with the level at which half
of it is gone; code lengths of unseen images by I-MMSE, by the probability flow and by a variational bound of 1 000
steps, beside a Gaussian's and that of independent pixels; grids of samples for `just figure 14`.

Expected, digits: posterior 2.2 nats, I(x_s;Y) half gone near λ = -0.5; 1.8 bits/dim, a Gaussian 2.9.
"""

import dataclasses
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from entropax.data import images
from runs import _image_models as models
from runs._record import main, Record


@dataclasses.dataclass(frozen=True)
class Config:
    """What is trained, and how closely it is measured.

    **Arguments:**

    - `data`, `budget`, `seed`: of the training.
    - `images`: how many unseen images are measured, at most.
    - `classified`: how many of them for the posterior form, which asks the network once for each class.
    - `nodes`: noise levels for each of them.
    - `snapshots`: how often the estimates are followed along the training.
    - `legible`: noise levels at which the label's legibility is measured.
    - `flows`: images whose density is also found by the probability flow.
    - `grid`: samples of each class.
    - `weight`: of guidance, in the second grid.
    """

    data: models.DataName = "digits"
    budget: models.Budget = models.Budget()
    seed: int = 0
    images: int = 1_000
    classified: int = 360
    nodes: int = 64
    snapshots: int = 5
    legible: int = 8
    flows: int = 32
    grid: int = 8
    weight: float = 1.0


_SMOKE = models.Budget(steps=20, batch_size=32)
_MNIST5K = models.Budget(steps=1_600, batch_size=64, learning_rate=3e-3, bias=3.0, dropout=0.0, shift=1)
_PAPER = models.Budget(steps=100_000, batch_size=512, learning_rate=1e-3, averages=(0.999, 0.9999))
PRESETS = {
    "smoke": Config(budget=_SMOKE, images=64, classified=32, nodes=8, snapshots=1, legible=2, flows=2, grid=1),
    "default": Config(),
    "cpu": Config(
        data="mnist5k", budget=_MNIST5K, images=500, classified=120, nodes=32, snapshots=2, legible=6, flows=8
    ),
    "paper": Config(data="mnist", budget=_PAPER, images=10_000, classified=2_000, snapshots=20, legible=16, flows=256),
}

METHODS = ("posterior", "orthogonal", "entropy_difference", "loss_gap")

# Where labels are decided: a tight posterior wants its noise levels there.
_DECIDING = (-6.0, 4.0)

# Above the noise level at which data are seen, the noise that they are denoised from.
_ABOVE = 7.0

# What a U-Net holds of an image is many times the image: so many pixels at a time, on a CPU and elsewhere.
_PIXELS, _MANY_PIXELS = 2**16, 2**22

# Held-out loss and checkpoints, for each time that the estimates are made.
_CHUNKS = 5

# Variances beside those of the Gaussian that images are compared with, whose pixels go from -1 to 1.
_NOISES = (0.0, 1e-4, 3e-4, 1e-3, 3e-3)

# The sampler's grid ends where pixels differ by their dequantisation only.
_STEPS = 64


def measure(model: ex.Neural, x, y, *, key, nodes: int, classified: int) -> dict[str, ex.Estimate]:
    """Entropies, total correlation, and mutual information by four methods."""
    rate_key, posterior_key = jr.split(key)
    rates = ex.unconditional_rates(model, model.baseline) | ex.conditional_rates(model)
    within = _integrator(x, nodes, model.trained_range)
    estimates = ex.integrate(rates, x, y, key=rate_key, integrator=within)
    deciding = _integrator(x, nodes, _DECIDING, models.CLASSES)
    posterior = ex.mutual_information(model, x[:classified], y[:classified], key=posterior_key, integrator=deciding)
    for name in METHODS[1:]:
        ex.check_mutual_information(estimates[name], y, f"I(X;Y) ({name})")
    return estimates | {"posterior": posterior}


def _integrator(x, nodes: int, log_snr_range: tuple[float, float] | None, classes: int = 1) -> ex.Integrator:
    pixels = _PIXELS if jax.default_backend() == "cpu" else _MANY_PIXELS
    # The posterior form asks for all classes at once.
    chunk = max(1, pixels // (classes * x[0].size))
    mesh = models.mesh()
    return ex.Integrator(nodes=ex.Stratified(nodes), log_snr_range=log_snr_range, chunk=chunk, mesh=mesh)


def legible(model: ex.Neural, x, y, levels, *, key, nodes: int) -> list[ex.Estimate]:
    """I(x_s;Y) at several noise levels, by the posterior form: of images with that much noise."""
    low, _ = model.trained_range
    found = []
    for level, level_key in zip(levels, jr.split(key, len(levels))):
        noise_key, own_key = jr.split(level_key)
        seen = x + np.exp(-level / 2) * jr.normal(noise_key, x.shape)
        diffused = ex.Diffused(model, float(level))
        deciding = max(low + 1e-3, diffused.log_snr_range[0]), min(level + _ABOVE, _DECIDING[1] + _ABOVE)
        integrator = _integrator(x, nodes, deciding, models.CLASSES)
        found.append(ex.mutual_information(diffused, seen, y, key=own_key, integrator=integrator))
    return found


def gaussian(split: models.Split) -> ex.Gaussian:
    """With the moments of the images, and as much white noise beside as serves those held out best: of pixels at the
    border that hardly vary some images of others do, and would cost what no other pixel can save."""
    train, held_out = (_flat(images.dequantise(part, jr.key(0))) for part in (split.train, split.held_out))
    fitted = ex.Gaussian.fit(train)
    wider = [eqx.tree_at(lambda law: law.variances, fitted, fitted.variances + noise) for noise in _NOISES]
    return max(wider, key=lambda law: float(jnp.mean(jax.vmap(law.log_density)(held_out))))


def code_lengths(model: ex.Neural, split: models.Split, x, *, key, nodes: int, flows: int) -> dict[str, ex.Estimate]:
    """Bits/dim of dequantised images, by three roads and by two baselines."""
    noise_key, bound_key, flow_key = jr.split(key, 3)
    every = models.complete(model)
    law = gaussian(split)
    log_snr = np.linspace(20.0, model.trained_range[0], 1_001)
    hutchinson = ex.solve.Hutchinson(8)
    mesh = models.mesh(rows=len(x[:flows]))
    by_flow = ex.log_density(
        ex.LogSNR(), every, x[:flows], key=flow_key, divergence=hutchinson, rtol=1e-4, atol=1e-4, mesh=mesh
    ).value
    nats = {
        "i_mmse": ex.nll(every, x, key=noise_key, integrator=_integrator(x, 2 * nodes, None)),
        "flow": ex.integral.mean_of(-jnp.asarray(ex.parallel.gather(by_flow))),
        "bound": ex.variational_bound(every, x[: 4 * flows], key=bound_key, log_snr=log_snr),
        "independent_pixels": ex.integral.mean_of(-jax.vmap(models.marginals(split).log_density)(x)),
        "gaussian": ex.integral.mean_of(-jax.vmap(law.log_density)(_flat(x))),
    }
    spacing = split.test.bin_width
    return {name: ex.bits_per_dim(found, split.test.dim, spacing=spacing) for name, found in nats.items()}


def draw(model: ex.Neural, shape: tuple[int, ...], config: Config, *, key) -> dict[str, np.ndarray]:
    """Samples: without a label, by label, and guided; the same noise for all three."""
    y = jnp.repeat(jnp.arange(models.CLASSES), config.grid)
    sampler = ex.Sampler(steps=_STEPS, log_snr_range=model.trained_range, mesh=models.mesh(rows=len(y)))
    ways = {
        "unconditional": (ex.Unconditional(model), None),
        "conditional": (model, y),
        "guided": (ex.Guided(model, config.weight), y),
    }
    drawn = {
        way: ex.sample(ex.LogSNR(), denoiser, (len(y), *shape), labels, key=key, sampler=sampler).x
        for way, (denoiser, labels) in ways.items()
    }
    return ex.parallel.gather(drawn)


def half_point(levels: np.ndarray, information: np.ndarray) -> float:
    """The λ at which half of the information at the least noise is reached, by lines between the levels."""
    return float(np.interp(0.5 * information[-1], np.maximum.accumulate(information), levels))


def run(config: Config, record: Record) -> dict:
    split = models.load(config.data)
    keys = jr.split(jr.key(config.seed + 1), 6)
    test = split.test[: config.images]
    x, y = images.dequantise(test, keys[0]), jnp.asarray(test.labels)
    few = min(256, config.classified)
    chunk = max(1, config.budget.steps // (_CHUNKS * config.snapshots))

    def observe(step, model):
        if step % (_CHUNKS * chunk) == 0:
            # That the naive forms break their bounds is the point, and drawn.
            with warnings.catch_warnings(action="ignore"):
                found = measure(model, x[:few], y[:few], key=keys[1], nodes=config.nodes // 2, classified=few)
            row = [step] + [float(v) for name in METHODS for v in (found[name].value, found[name].stderr)]
            # On the disk: a run that goes on after it was killed does not come by here again.
            record.write_json(f"trace-{step}.json", {"row": row})

    with record.stage("train"):
        training = models.fit(
            config.data,
            split,
            config.budget,
            seed=config.seed,
            chunk=chunk,
            observe=observe,
            checkpoints=ex.Checkpoints(record.directory / "checkpoints", record.plain_config),
            loggers=(ex.JSONLines(record.directory / "log.jsonl"),),
        )
    model = training.denoiser
    with record.stage("samples"):
        samples = draw(model, split.test.shape, config, key=keys[2])
    with record.stage("information"):
        found = measure(model, x, y, key=keys[3], nodes=config.nodes, classified=config.classified)
    with record.stage("legible"):
        levels = np.linspace(-6.0, 4.0, config.legible)
        # Each level asks the network as often as the posterior form above does for twice the images.
        some = slice(config.classified // 2)
        readable = legible(model, x[some], y[some], levels, key=keys[4], nodes=config.nodes // 2)
    with record.stage("code lengths"):
        bits = code_lengths(model, split, x, key=keys[5], nodes=config.nodes, flows=config.flows)

    traced = [name for step in training.history.step if record.has(name := f"trace-{step}.json")]
    profiles = {}
    for name in ("neural_entropy", "conditional_entropy", "total_correlation", "orthogonal", "loss_gap"):
        profile = found[name].profile
        assert profile is not None
        profiles |= {"log_snr": profile.log_snr, name: profile.rate, f"{name}_stderr": profile.stderr}
    record.save(
        **profiles,
        **{f"samples_{way}": drawn for way, drawn in samples.items()},
        real=np.concatenate([np.asarray(x)[test.labels == label][: config.grid] for label in range(models.CLASSES)]),
        legible_log_snr=levels,
        legible=np.array([[float(e.value), float(e.stderr)] for e in readable]),
        trace=np.array([record.read_json(file)["row"] for file in traced]),
        steps=training.history.step,
        loss=training.history.loss,
        held_out=training.history.held_out,
    )
    return {
        "estimates": found,
        "bits_per_dim": bits,
        "share_of_total_correlation": float(found["total_correlation"].value / found["neural_entropy"].value),
        "label_entropy": ex.label_entropy(y),
        "ln_10": float(np.log(models.CLASSES)),
        "half_point_log_snr": half_point(levels, np.array([float(e.value) for e in readable])),
        "early_stopped_at": int(training.history.step[np.argmin(training.history.held_out)]),
    }


def _flat(x: jax.Array) -> jax.Array:
    return x.reshape(len(x), -1)


if __name__ == "__main__":
    main(PRESETS, run)
