"""At the shell: `entropax measure data.npz` and `entropax doctor`. The one part that knows a shell or draws."""

from ._main import main as main, run as run
