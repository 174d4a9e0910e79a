"""A small run that trains over all devices, and says who has computed it: what tests start as a program."""

import dataclasses
import time

import jax
import jax.numpy as jnp
import jax.random as jr

import entropax as ex
from runs._record import main, Record
from tests.parallel import program


@dataclasses.dataclass(frozen=True)
class Config:
    """`chunks` of the training, with a checkpoint after each, and the seconds by which each lasts longer."""

    chunks: int = 2
    pause: float = 0.0


def run(config: Config, record: Record) -> dict:
    calls = record.directory.parent / f"calls.{jax.process_index()}"
    calls.parent.mkdir(exist_ok=True, parents=True)
    calls.write_text((calls.read_text() if calls.exists() else "") + "x")
    x, y = program.samples()
    with record.stage("train"):
        training = ex.train(
            program.Linear(jnp.eye(3), jnp.zeros((3, 2))),
            x,
            y,
            held_out=(x[:32], y[:32]),
            key=jr.key(2),
            settings=ex.Settings(steps=10 * config.chunks, batch_size=64, chunk=10, learning_rate=2e-2),
            checkpoints=ex.Checkpoints(record.directory / "checkpoints", record.plain_config),
            mesh=ex.parallel.make_mesh(),
            observe=lambda step, denoiser: time.sleep(config.pause),
        )
    record.save(loss=training.history.loss, held_out=training.history.held_out, process=jax.process_index())
    return {"devices": jax.device_count()}


if __name__ == "__main__":
    main({"default": Config()}, run)
