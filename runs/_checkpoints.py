"""A public checkpoint on this machine: what it is, its network as a denoiser, its schedule, its images' size.

All of it is read from the file and from what lies beside it, as far as it is written there. What is not, a schedule
without a scheduler_config.json for one, is what its authors published, or is said by an option.
"""

import json
import pathlib
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

import entropax as ex


Kind = Literal["diffusers", "improved-diffusion"]
Schedule = Literal["published", "linear", "cosine"]

# One tensor that each of them has, whatever its size.
_TOLD_BY: dict[str, Kind] = {"conv_in.weight": "diffusers", "input_blocks.0.0.weight": "improved-diffusion"}

# Of improved-diffusion: the side of the images that a network of so many times its first width at each level is for.
_SIDES = {(1, 2, 2, 2): 32, (1, 2, 3, 4): 64, (1, 1, 2, 2, 4, 4): 256}


class Checkpoint(NamedTuple):
    """A network that was trained elsewhere.

    **Arguments:**

    - `kind`: whose layout it has.
    - `denoiser`: of images, channels first.
    - `log_snrs`: at each step of its schedule, decreasing.
    - `shape`: of its images; the height and the width are 0 where nothing says them.
    - `schedule`: where its schedule is from, in words.
    """

    kind: Kind
    denoiser: ex.Neural
    log_snrs: np.ndarray
    shape: tuple[int, int, int]
    schedule: str


def load(
    model: str, *, schedule: Schedule = "published", steps: int = 0, heads: int = 4, groups: int = 32
) -> Checkpoint:
    """The checkpoint in a .safetensors file.

    **Arguments:**

    - `model`: the file; of diffusers, config.json beside it.
    - `schedule`, `steps`: which schedule of how many steps it was trained on. Published: of diffusers what
        scheduler_config.json says, else linear, 1 000 steps; of improved-diffusion cosine, 4 000.
    - `heads`, `groups`: of improved-diffusion's attention and norms, which its tensors do not tell.

    **Returns:** a [`Checkpoint`][].

    **Raises:** `ValueError` that names `model` where the file is missing, is none, or is of another network.
    """
    path = pathlib.Path(model)
    if not path.is_file():
        raise ValueError(f"`model` must name a .safetensors file on this machine; there is none at {model!r}.")
    try:
        tensors = ex.weights.read_tensors(path)
        kind = _kind(tensors)
        if kind == "diffusers":
            return _of_diffusers(path, schedule, steps)
        return _of_improved_diffusion(path, tensors, schedule, steps, heads, groups)
    except ValueError as error:
        raise ValueError(f"`model`, {path.name}, cannot be measured. {error}") from error


def _kind(tensors: Mapping[str, np.ndarray]) -> Kind:
    found: list[Kind] = [kind for name, kind in _TOLD_BY.items() if name in tensors]
    if len(found) != 1:
        raise ValueError(
            "It must hold a UNet2DModel of diffusers or a network of improved-diffusion, which have a tensor "
            f"{' or '.join(_TOLD_BY)}; it has {len(tensors)} others: {', '.join(sorted(tensors)[:3])}, ..."
        )
    if "class_embedding.weight" in tensors or "label_emb.weight" in tensors:
        raise ValueError("Its network is told classes; only unconditional ones are measured.")
    return found[0]


def _of_diffusers(path: pathlib.Path, schedule: Schedule, steps: int) -> Checkpoint:
    file = path.parent / "config.json"
    if not file.is_file():
        raise ValueError(f"Of diffusers' networks config.json says the layout; there is none beside it, in {file}.")
    config = _json(file)
    log_snrs, words = _published(path) if schedule == "published" else _named(schedule, steps or 1000)
    denoiser = ex.weights.load_diffusers(path, config, log_snrs)
    size = config.get("sample_size") or 0
    height, width = (size, size) if isinstance(size, int) else size
    return Checkpoint("diffusers", denoiser, log_snrs, (config.get("in_channels", 3), height, width), words)


def _published(path: pathlib.Path) -> tuple[np.ndarray, str]:
    """By the configuration of the scheduler: beside the model or, in a pipeline, in the folder next to it."""
    folders = path.parent, path.parent.parent / "scheduler"
    files = [folder / "scheduler_config.json" for folder in folders]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        log_snrs, words = _named("linear", 1000)
        return log_snrs, f"{words}, since there is no scheduler_config.json"
    said = _json(file)
    if said.get("prediction_type", "epsilon") != "epsilon" or said.get("rescale_betas_zero_snr"):
        raise ValueError(
            f"{file.name} asks for prediction_type {said.get('prediction_type')!r}, rescale_betas_zero_snr "
            f"{said.get('rescale_betas_zero_snr')!r}: only networks that predict the noise are measured."
        )
    steps, first, last = (said.get(*pair) for pair in _SCHEDULER.items())
    kind = said.get("beta_schedule", "linear")
    words = f"{kind}, {steps} steps, by {file.name}"
    if said.get("trained_betas") is not None:
        betas = np.asarray(said["trained_betas"], np.float64)
        return ex.weights.log_snrs_of(np.cumprod(1 - betas)), f"{len(betas)} steps, by {file.name}"
    if kind == "linear":
        return ex.weights.linear_log_snrs(steps, first=first, last=last), words
    if kind == "scaled_linear":
        betas = np.linspace(first**0.5, last**0.5, steps) ** 2
        return ex.weights.log_snrs_of(np.cumprod(1 - betas)), words
    if kind == "squaredcos_cap_v2":
        return ex.weights.cosine_log_snrs(steps), words
    raise ValueError(
        f"{file.name} has beta_schedule {kind!r}, of which only linear, scaled_linear and squaredcos_cap_v2 are known."
    )


# What diffusers takes for granted.
_SCHEDULER: dict[str, Any] = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02}


def _named(schedule: Literal["linear", "cosine"], steps: int) -> tuple[np.ndarray, str]:
    make = {"linear": ex.weights.linear_log_snrs, "cosine": ex.weights.cosine_log_snrs}[schedule]
    return make(steps), f"{schedule}, {steps} steps"


def _of_improved_diffusion(
    path: pathlib.Path, tensors: Mapping[str, np.ndarray], schedule: Schedule, steps: int, heads: int, groups: int
) -> Checkpoint:
    layout = _layout(tensors)
    log_snrs, words = _named("cosine" if schedule == "published" else schedule, steps or 4000)
    denoiser = ex.weights.load_iddpm(path, log_snrs, heads=heads, groups=groups, **layout)
    widths = layout["widths"]
    side = _SIDES.get(tuple(width // widths[0] for width in widths), 0)
    return Checkpoint("improved-diffusion", denoiser, log_snrs, (layout["channels"], side, side), words)


def _layout(tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What the shapes of its tensors tell of a network of improved-diffusion."""
    first = tensors["input_blocks.0.0.weight"]
    # By level: the channels of each block, and whether attention follows it.
    levels: list[list[tuple[int, bool]]] = [[]]
    place = 1
    while any(name.startswith(f"input_blocks.{place}.") for name in tensors):
        block = tensors.get(f"input_blocks.{place}.0.in_layers.2.weight")
        if block is None:
            levels.append([])
        else:
            levels[-1].append((block.shape[0], f"input_blocks.{place}.1.qkv.weight" in tensors))
        place += 1
    if not all(levels) or any(len(set(level)) != 1 or len(level) != len(levels[0]) for level in levels):
        raise ValueError(f"Its levels must have as many blocks each, all of one kind; got {levels}.")
    widths = tuple(level[0][0] for level in levels)
    told = tensors.get("input_blocks.1.0.emb_layers.1.weight")
    shifted = told is not None and told.shape[0] == widths[0]
    return dict(
        channels=first.shape[1],
        widths=widths,
        depth=len(levels[0]),
        attention=tuple(place for place, level in enumerate(levels) if level[0][1]),
        modulation=ex.nn.Shift if shifted else ex.nn.ScaleShift,
    )


def _json(file: pathlib.Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"{file.name} beside it is not JSON: {error}") from error
