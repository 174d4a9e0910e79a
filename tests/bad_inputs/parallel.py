"""Bad inputs of devices and meshes."""

from entropax import parallel
from tests.bad_inputs import BadInput


INPUTS = [
    BadInput("no devices", lambda: parallel.make_mesh([]), ValueError, ("`devices`", "[]")),
]
