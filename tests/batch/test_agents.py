"""What an agent's calls come to: means with intervals that hold what they promise."""

import numpy as np
import pytest

from voicepipe.batch.agents import Agents, wilson
from voicepipe.batch.columns import AGENTS, ENOUGH_CALLS


def test_means_shares_and_their_calls() -> None:
    agents = Agents()
    for warmth, alert in ((40.0, True), (60.0, False), (None, False)):
        agents.add({"agent": "Bea", "warmth": warmth, "alert": alert})
    agents.add({"agent": "Al", "warmth": 10.0, "alert": False})
    agents.add({"agent": None, "warmth": 99.0, "alert": True})
    al, bea = agents.rows()
    assert set(al) == set(AGENTS.names)
    assert (al["agent"], al["calls"], al["warmth"], al["warmth_low"]) == ("Al", 1, 10.0, None)
    assert (bea["calls"], bea["alerts"], bea["warmth"], bea["warmth_calls"]) == (3, 1, 50.0, 2)
    assert (bea["warmth_low"], bea["warmth_high"]) == (0.0, 100.0), "never beyond what is possible"
    assert bea["alert_share"] == pytest.approx(1 / 3, abs=1e-4)
    assert (bea["csi"], bea["csi_calls"]) == (None, 0)
    assert not bea["comparable"]


def test_nobody_is_compared_on_a_few_calls() -> None:
    agents = Agents()
    for _ in range(ENOUGH_CALLS - 1):
        agents.add({"agent": "A"})
    assert not next(agents.rows())["comparable"]
    agents.add({"agent": "A"})
    assert next(agents.rows())["comparable"]


def test_wilson_against_the_textbook() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998), table I.
    for hits, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson(hits, n) == pytest.approx((low, high), abs=6e-5)
    assert wilson(20, 20)[1] == pytest.approx(1.0)


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(6)
    covered = 0
    for _ in range(400):
        agents = Agents()
        for value in rng.normal(50.0, 10.0, 8):
            agents.add({"agent": "A", "warmth": float(value)})
        row = next(agents.rows())
        covered += row["warmth_low"] <= 50.0 <= row["warmth_high"]
    assert 0.91 <= covered / 400 <= 0.98
