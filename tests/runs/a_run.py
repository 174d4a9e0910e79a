"""A run that says who has computed it: what `test_processes.py` starts."""

import dataclasses

import jax
import jax.numpy as jnp

import entropax as ex
from runs._record import main, Record


@dataclasses.dataclass(frozen=True)
class Config:
    size: int = 4


def run(config: Config, record: Record) -> dict:
    calls = record.directory.parent / f"calls.{jax.process_index()}"
    calls.parent.mkdir(exist_ok=True, parents=True)
    calls.write_text((calls.read_text() if calls.exists() else "") + "x")
    with record.stage("sum"):
        spread = ex.parallel.shard(jnp.arange(1.0, config.size + 1), ex.parallel.make_mesh())
        total = float(ex.parallel.gather(jax.jit(jnp.sum)(spread)))
    record.save(process=jax.process_index())
    return {"sum": total, "devices": jax.device_count()}


if __name__ == "__main__":
    main({"default": Config()}, run)
