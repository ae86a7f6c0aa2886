"""Why a score is what it is: what happens to it when a feature is put back to the caller's normal.

Related features are put back together, because the model spreads an effect over them: a raised voice has a higher
median, a higher top and a higher floor. The group tells how strong the effect is; the one of its features that says
most by itself is the one shown.
"""

from dataclasses import dataclass

import numpy as np

from voicepipe.stress.baseline import RunningNorm
from voicepipe.stress.prosody import FEATURES, Feature
from voicepipe.types import DoubleArray, FeatureDeviation, FloatArray

GROUPS: dict[str, tuple[str, ...]] = {
    "pitch": ("pitch_median_st", "pitch_p05_st", "pitch_p20_st", "pitch_p80_st", "pitch_p95_st"),
    "melody": (
        "pitch_sd_st",
        "pitch_range_st",
        "pitch_rise_st_per_s",
        "pitch_fall_st_per_s",
        "pitch_movement_st_per_s",
        "pitch_slope_st_per_s",
        "pitch_final_slope_st_per_s",
    ),
    "effort": (
        "tilt_mean_db_per_octave",
        "alpha_ratio_mean_db",
        "hammarberg_mean_db",
        "slope_low_mean_db_per_khz",
        "slope_mid_mean_db_per_khz",
        "centroid_mean_hz",
    ),
    "loudness variation": (
        "level_sd_db",
        "level_range_db",
        "level_rise_db_per_s",
        "level_fall_db_per_s",
        "level_peak_db",
    ),
    "voice": (
        "jitter_local_pct",
        "jitter_ddp_pct",
        "shimmer_local_pct",
        "shimmer_db",
        "hnr_mean_db",
        "cpp_mean_db",
    ),
    "rate": ("syllable_rate_hz", "articulation_rate_hz", "modulation_centroid_hz"),
    "pauses": ("pause_rate_hz", "pause_mean_s", "pause_longest_s", "pause_ratio"),
}
"""Features that a supervisor understands, those that move together in one group."""

TECHNICAL = frozenset(
    {"slope_low_mean_db_per_khz", "slope_mid_mean_db_per_khz", "modulation_centroid_hz", "jitter_ddp_pct"}
)
"""Put back with their group, never shown: their names mean nothing to a supervisor."""

MIN_CONTRIBUTION = 0.05
"""Least change of the score's logit that is worth showing."""
MIN_DEVIATION = 0.25
"""Least distance from the caller's normal, in scales, of a feature that is shown."""
MOST_SHOWN = 4

_INDEX = {feature.name: i for i, feature in enumerate(FEATURES)}
_GROUP_COLUMNS = tuple(np.asarray([_INDEX[name] for name in names]) for names in GROUPS.values())
_SINGLE_COLUMNS = np.concatenate(_GROUP_COLUMNS)
N_ROWS = 1 + len(_GROUP_COLUMNS) + len(_SINGLE_COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """One utterance as measured (row 0), and with each group, then each single feature, at the caller's normal.

    Attributes
    ----------
    prosody, deviation : ndarray, shape (N_ROWS, n_features), float32
        As measured (NaN allowed), and in scales of the baseline.
    """

    prosody: FloatArray
    deviation: FloatArray


def ablate(values: DoubleArray, *, deviation: DoubleArray, norm: RunningNorm) -> Ablation:
    """Put features back to the caller's normal.

    Parameters
    ----------
    values, deviation : ndarray, shape (n_features,), float64
    norm : RunningNorm
        The caller's.
    """
    prosody_rows = np.tile(values, (N_ROWS, 1))
    deviation_rows = np.tile(deviation, (N_ROWS, 1))
    columns = [*_GROUP_COLUMNS, *_SINGLE_COLUMNS[:, None]]
    for row, group in enumerate(columns, start=1):
        prosody_rows[row, group] = norm.location[group]
        deviation_rows[row, group] = 0.0
    return Ablation(prosody=prosody_rows.astype(np.float32), deviation=deviation_rows.astype(np.float32))


def strongest(
    logits: DoubleArray, *, values: DoubleArray, deviation: DoubleArray, norm: RunningNorm, own: bool
) -> tuple[FeatureDeviation, ...]:
    """Choose what pushed the score up most.

    Parameters
    ----------
    logits : ndarray, shape (N_ROWS,), float64
        The model's stress logit for each row of the `Ablation`.
    values, deviation : ndarray, shape (n_features,), float64
    norm : RunningNorm
        The caller's.
    own : bool
        True where the baseline is the caller's own rather than the population's.

    Returns
    -------
    tuple of FeatureDeviation
        Strongest first, one for each group. Each raises the score by itself and together with its group: with it at the
        caller's normal the score would be lower.
    """
    n_groups = len(_GROUP_COLUMNS)
    of_groups = logits[0] - logits[1 : 1 + n_groups]
    of_singles = dict(zip(_SINGLE_COLUMNS.tolist(), (logits[0] - logits[1 + n_groups :]).tolist(), strict=True))
    shown: list[FeatureDeviation] = []
    for group in np.argsort(-of_groups, kind="stable"):
        if of_groups[group] < MIN_CONTRIBUTION or len(shown) == MOST_SHOWN:
            break
        telling = [
            column
            for column in _GROUP_COLUMNS[group].tolist()
            if FEATURES[column].name not in TECHNICAL
            and of_singles[column] > 0.0
            and np.isfinite(values[column])
            and abs(deviation[column]) >= MIN_DEVIATION
        ]
        if telling:
            column = max(telling, key=of_singles.__getitem__)
            shown.append(
                _in_words(FEATURES[column], value=values[column], off=values[column] - norm.location[column], own=own)
            )
    return tuple(shown)


def _in_words(feature: Feature, *, value: float, off: float, own: bool) -> FeatureDeviation:
    distance = f"{abs(off):.2f}" if abs(off) < 0.95 else f"{abs(off):.1f}" if abs(off) < 99.5 else f"{abs(off):.0f}"
    unit = " percentage points" if feature.unit == "percent" else f" {feature.unit}" if feature.unit else ""
    side = feature.above if off > 0 else feature.below
    whose = "this caller's normal" if own else "what is usual among callers"
    return FeatureDeviation(
        name=feature.name,
        value=float(value),
        unit=feature.unit,
        deviation=float(off),
        text=f"{feature.label} {distance}{unit} {side} {whose}",
    )
