"""A table of likelihoods from a file of curves, of a law for which all are known."""

import json

import numpy as np
from scipy.special import expit

from runs import itd_curves


def test_the_table_of_a_gaussian(tmp_path, capsys):
    log_snr, logs = np.random.default_rng(0).uniform(-9, 14, 200), np.log([0.02, 0.5, 1.98])
    mse = expit(log_snr[:, None] + logs).sum(1)
    # A model that is optimal, and one that is not where the noise is small; rounding, which errs no more above λ = 5.
    models = {
        "exact": {"mses": mse, "mses_round_xhat": np.where(log_snr < 5, 2 * mse, 0.0), "mses_dequantize": mse},
        "worse": {"mses": mse + 0.3 * expit(log_snr)},
    }
    content = {
        "d": 3,
        "logsnr": log_snr.tolist(),
        "mmse_g": mse.tolist(),
        "sum_log_eigs": logs.sum(),
        "models": {name: {key: curve.tolist() for key, curve in model.items()} for name, model in models.items()},
    }
    path = tmp_path / "curves.json"
    path.write_text(json.dumps(content))
    itd_curves.main(path, spacing=0.25)
    shown = {
        line.split("│")[1].strip(): line.split("│")[2:-1]
        for line in capsys.readouterr().out.splitlines()
        if "│" in line
    }
    entropy = 0.5 * np.log2(2 * np.pi * np.e) + 0.5 * logs.sum() / (3 * np.log(2))
    for name in ("exact", "worse", "least of all"):
        assert shown[name][0].split() == [f"{entropy:.3f}", "(-0.0000)"]
    value = float(shown["exact"][1].split()[0])
    order = np.argsort(log_snr)
    exact = 0.5 * np.trapezoid(np.where(log_snr < 5, mse, 0.0)[order], log_snr[order]) / (3 * np.log(2))
    np.testing.assert_allclose(value, exact, atol=0.01)
    np.testing.assert_allclose(float(shown["exact"][2].split()[0]), entropy + 2, atol=6e-4)
    assert [cell.strip() for cell in shown["worse"][1:]] == ["", ""]
