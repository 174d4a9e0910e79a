"""The probability flow of a fitted network in PyTorch, as reference codes have it: the same architecture with the same
weights, the time of the variance-preserving process, the divergence by one backward pass a coordinate."""

import jax
import jax.numpy as jnp
import numpy as np
import torch  # pyright: ignore[reportMissingImports]

import entropax as ex
from entropax.nn._mlp import _FREQUENCIES, _KNOTS


class TorchFlow:
    """The velocity and its divergence, exact, for a batch.

    **Arguments:**

    - `process`: what diffuses the data.
    - `model`: an unconditional network with whitened inputs.
    """

    def __init__(self, process: ex.VariancePreserving, model: ex.Neural):
        leaf = lambda array: torch.tensor(np.asarray(array), dtype=torch.float32)
        self.process, self.range = process, model.trained_range
        net, whitening = jax.tree.map(leaf, (model.net, model.normalise))
        self.net, self.whitening = net, whitening
        self.evaluations = 0

    def __call__(self, s, x):
        self.evaluations += 1
        p = self.process
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            beta = p.beta_min + s * (p.beta_max - p.beta_min)
            integral = p.beta_min * s + 0.5 * s**2 * (p.beta_max - p.beta_min)
            log_snr = -torch.log(torch.expm1(integral))
            score = -self.noise(x, log_snr) / torch.sqrt(-torch.expm1(-integral))
            velocity = -0.5 * beta * (x + score)
            gradients = [torch.autograd.grad(v.sum(), x, retain_graph=True)[0] for v in velocity.unbind(1)]
            divergence = torch.stack([gradient[:, i] for i, gradient in enumerate(gradients)]).sum(0)
        return velocity.detach(), divergence.detach()

    def noise(self, z, log_snr):
        linear, net, law = torch.nn.functional.linear, self.net, self.whitening
        a, b = torch.sigmoid(log_snr), torch.sigmoid(-log_snr)
        white = (((z - a.sqrt() * law.mean) @ law.axes) * (a * law.variances + b).rsqrt()) @ law.axes.T
        phases = 0.12 * torch.arange(1, _FREQUENCIES + 1) * log_snr
        features = torch.cat([phases.sin(), phases.cos(), log_snr[None] / 10])
        features = torch.cat([features, 0 * features])
        start = h = linear(white, net.inputs.weight, net.inputs.bias)
        for block in net.blocks:
            scale, shift = linear(features, block.modulation.weight, block.modulation.bias).chunk(2)
            inner = torch.nn.functional.silu(h * (1 + scale) + shift)
            h = h + linear(inner, block.linear.weight, block.linear.bias)
        low, high = self.range
        distance = ((_KNOTS - 1) * (log_snr - low) / (high - low) - torch.arange(-1, _KNOTS + 1)).abs()
        inner, outer = (4 - 6 * distance**2 + 3 * distance**3) / 6, (2 - distance).clamp(min=0) ** 3 / 6
        splines = torch.where(distance < 1, inner, outer)
        output = linear(h, net.output.weight, net.output.bias)
        output = output + start @ torch.einsum("k,kdw->wd", splines, net.linear[0])
        return b.sqrt() * z + a.sqrt() * output


def check(flow: TorchFlow, model: ex.Neural, x) -> None:
    """Makes sure that both are one flow.

    **Raises:** `AssertionError` where they are not.
    """
    ours, exact = ex.terms.ProbabilityFlow(flow.process, model), ex.solve.ExactDivergence()
    for s in (1e-3, 0.1, 0.7):
        at = lambda x: exact(lambda x: ours(jnp.asarray(s), x[None], None)[0], x, None)
        for theirs, mine in zip(flow(torch.tensor(s), torch.tensor(np.asarray(x))), jax.vmap(at)(x)):
            np.testing.assert_allclose(theirs.numpy(), mine, rtol=1e-3, atol=1e-3 * float(jnp.max(jnp.abs(mine))))
