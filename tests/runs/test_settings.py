"""Settings are their values, and plans hold those that are possible, each once."""

import json

import pytest

from runs._settings import Impossible, Plan, Setting
from runs._standings import best_by_budget, cheapest, error_of, of_one_seed


def test_a_setting_is_its_values():
    assert Setting().hash == "199fff7b7863"
    same = Setting(churn=0, log_snr_range=[-9, 9])  # pyright: ignore[reportArgumentType]
    assert same == Setting() and same.hash == Setting().hash
    assert json.loads(json.dumps(Setting(weight=2, interval=(-1, 3)).plain))["interval"] == [-1.0, 3.0]
    assert Setting(**Setting(weight=2, interval=(-1, 3)).plain) == Setting(weight=2, interval=(-1, 3))
    others = [
        Setting(seed=1),
        Setting(weight=0.0),
        Setting(weight=1.0),
        Setting(weight=1.0 + 2**-52),
        Setting(grid_parameter=7.0),
        Setting(precision="bfloat16"),
        Setting(evaluations=None, tolerance=1e-3, solver="tsit5"),
    ]
    assert len({setting.hash for setting in others} | {Setting().hash}) == len(others) + 1


@pytest.mark.parametrize(
    "fields, match",
    [
        ({"solver": "sde_dpm2"}, "SDEDPMSolverPlusPlus is for SDEs and `churn` is 0"),
        ({"churn": 1.0}, "DPMSolverPlusPlus is for ODEs and `churn` is 1.0"),
        ({"clock": "log_snr"}, "is for the clock of the noise-to-signal ratio"),
        ({"tolerance": 1e-3}, "Either `evaluations` or `tolerance`"),
        ({"evaluations": None}, "Either `evaluations` or `tolerance`"),
        ({"evaluations": None, "tolerance": 1e-3, "solver": "euler"}, "no error estimate"),
        ({"evaluations": None, "tolerance": 1e-3}, "is a multistep one and has no error estimate"),
        ({"evaluations": 2, "solver": "heun"}, "less than one step of heun needs, 3 with"),
        ({"interval": (-1.0, 1.0)}, "`weight` is None"),
        ({"grid": "time", "grid_parameter": 3.0}, "`grid_parameter` is that of karras"),
    ],
)
def test_impossible_settings_are_refused_and_left_out_of_products(fields, match):
    with pytest.raises(Impossible, match=match):
        Setting(**fields)
    plan = Plan.product(**{name: [value] for name, value in fields.items()}, seed=[0, 1, 2])
    assert len(plan) == 0 and list(plan.left_out.values()) == [3]


@pytest.mark.parametrize(
    "fields, match",
    [
        ({"solver": "magic"}, "`solver` must be one of .*; got 'magic'"),
        ({"churn": -1.0, "solver": "sde_dpm2"}, "`churn` must be finite and not negative"),
        ({"log_snr_range": (9.0, -9.0)}, "`log_snr_range` must be two numbers that increase"),
    ],
)
def test_mistakes_are_refused_in_products_too(fields, match):
    with pytest.raises(ValueError, match=match):
        Plan.product(**{name: [value] for name, value in fields.items()})


def test_steps_are_those_that_the_evaluations_allow():
    made = {
        (solver, asked): (setting.steps, setting.made(setting.steps))
        for solver in ("dpm2", "heun", "bosh3")
        for asked in (10, 11)
        for setting in [Setting(solver=solver, evaluations=asked)]
    }
    assert made == {
        ("dpm2", 10): (9, 10),
        ("dpm2", 11): (10, 11),
        ("heun", 10): (4, 9),
        ("heun", 11): (5, 11),
        ("bosh3", 10): (2, 8),
        ("bosh3", 11): (3, 11),
    }


def test_a_plan_holds_each_setting_once_and_its_shares_are_all_of_it():
    noisy = Plan.product(solver=["sde_dpm2"], churn=[0.5, 1.0], grid=["karras", "time"], seed=[0, 1])
    plan = noisy + Plan.product(evaluations=[6, 9], seed=[0, 1, 2]) + noisy
    assert len(plan) == 14 and len({setting.hash for setting in plan.settings}) == 14
    # What shares compiled code comes together.
    statics = [setting.static for setting in plan.settings]
    changes = sum(now != then for now, then in zip(statics[:-1], statics[1:]))
    assert changes == len(set(statics)) - 1
    for shards in (1, 2, 5, 20):
        shares = [plan.share(shard, shards) for shard in range(shards)]
        assert sum(shares, ()) == plan.settings
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
    with pytest.raises(ValueError, match="`shard` must be one of 0 to 1; got 2"):
        plan.share(2, 2)


def rows_of(*found: tuple[int, float | None]):
    return [
        {
            "setting": Setting(evaluations=asked).plain,
            "evaluations": asked,
            "measured": {"mmd": None if error is None else (error, None)},
            "failed": None,
        }
        for asked, error in found
    ]


def test_the_cheapest_that_is_good_enough():
    rows = rows_of((5, 1.0), (10, 0.104), (20, 0.1), (30, None), (10, 0.2))
    by_budget = best_by_budget(rows, "mmd")
    assert {budget: error_of(row, "mmd") for budget, row in by_budget.items()} == {5: 1.0, 10: 0.104, 20: 0.1}
    for floor, evaluations in ((None, 10), (0.01, 10), (2.0, 5)):
        chosen = cheapest(rows, "mmd", floor)
        assert chosen is not None and chosen["evaluations"] == evaluations
    assert cheapest(rows_of((5, None)), "mmd", None) is None


def test_luck_is_no_merit():
    # Of a hundred equal settings the best would be one of the few that were drawn more than once.
    rows = rows_of((5, 1.0), (10, 0.104), (20, 0.1), (20, 0.01))
    rows[-1]["setting"] |= {"seed": 1}
    assert of_one_seed(rows) == rows[:-1]
