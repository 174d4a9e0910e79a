"""The estimators that ours is compared with: their units, what they resume, and what they are told of."""

import dataclasses

import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from runs import bmi_peers


NORMAL = next(task for task in ex.data.bmi.tasks() if task.name == "1v1-normal-0.75")
ARGUMENTS = ["--samples", "300", "--only", "^(1v1-normal-0.75|swissroll.*)$", "--root"]


@pytest.mark.parametrize("name", bmi_peers.PEERS)
def test_peers_answer_in_nats(name):
    peer = bmi_peers.PEERS[name]
    if peer.version is None:
        pytest.skip(f"{peer.package} is not installed")
    # In bits it were 0.596.
    found = peer.estimate(*NORMAL.sample(jr.key(0), 2_000), 0)
    assert abs(found - NORMAL.mutual_information) < 0.06


def test_a_copula_sees_ranks_alone():
    x, y = NORMAL.sample(jr.key(0), 500)
    estimates = bmi_peers.gaussian_copula(x, y, 0), bmi_peers.gaussian_copula(np.sinh(x), y**3, 0)
    assert estimates[0] == estimates[1]
    assert bmi_peers.second_moments(np.sinh(x), y**3, 0) < estimates[0] - 0.02


def test_a_peer_is_added_once_it_is_installed(tmp_path, monkeypatch, capsys):
    own = {name: peer for name, peer in bmi_peers.PEERS.items() if peer.package in ("entropax", "scikit-learn")}
    missing = dataclasses.replace(own["copula"], package="not-on-any-index")
    monkeypatch.setattr(bmi_peers, "PEERS", own | {"copula": missing})
    normal, roll = bmi_peers.main([*ARGUMENTS, str(tmp_path)])
    assert "not-on-any-index is not installed and left out: pip install 'entropax[peers]'" in capsys.readouterr().out
    # The roll is one of three numbers.
    assert [set(row["peers"]) for row in (normal, roll)] == [{"second_moments", "scikit_learn"}, {"second_moments"}]
    monkeypatch.setattr(bmi_peers, "PEERS", own)
    again, _ = bmi_peers.main([*ARGUMENTS, str(tmp_path)])
    assert set(again["peers"]) == set(own)
    # Not measured again: seconds never agree.
    assert again["peers"]["second_moments"] == normal["peers"]["second_moments"]
    found = bmi_peers.summary([again, roll])
    errors = [row["peers"]["second_moments"]["value"] - row["exact"] for row in (again, roll)]
    np.testing.assert_allclose(found["second_moments"]["mean_absolute_error"], np.abs(errors).mean())
    assert found["scikit_learn"]["tasks"] == 1
