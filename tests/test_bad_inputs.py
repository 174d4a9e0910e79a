"""Every bad input is refused by Entropax itself, with a message that names the argument, what was found and what is
wanted."""

import importlib
import pathlib
import traceback

import jaxtyping
import pytest

import entropax
from tests.bad_inputs import BadInput


AREAS = sorted(path.stem for path in (pathlib.Path(__file__).parent / "bad_inputs").glob("[!_]*.py"))
INPUTS = [
    pytest.param(bad, id=f"{area}: {bad.name}")
    for area in AREAS
    for bad in importlib.import_module(f"tests.bad_inputs.{area}").INPUTS
]


@pytest.fixture(autouse=True)
def _without_type_checks():
    """Users do not run beartype: the refusal must come from the library."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@pytest.mark.parametrize("bad", INPUTS)
def test_a_bad_input_is_refused_by_name(bad: BadInput):
    with pytest.raises(bad.error) as caught:
        bad.call()
    message, at = str(caught.value), 0
    for part in bad.says:
        assert part in message[at:], f"{part!r} is missing, or comes too early, in: {message}"
        at += message[at:].index(part)
    # The error is ours: no library below has stumbled over the value.
    raised_in = pathlib.Path(traceback.extract_tb(caught.tb)[-1].filename)
    assert raised_in.is_relative_to(pathlib.Path(entropax.__file__).parent), raised_in
    assert len(message) < 700, message
