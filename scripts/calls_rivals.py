"""Three rules of few lines that voicepipe's evidence is compared with: statistics of the scores of one call."""

import numpy as np

EWMA_SHARE = 0.2


def three_in_a_row(stress: np.ndarray) -> np.ndarray:
    """Return the lowest of the last three scores."""
    padded = np.concatenate(([-np.inf, -np.inf], stress))
    return np.minimum(np.minimum(padded[2:], padded[1:-1]), padded[:-2])


def ewma(stress: np.ndarray) -> np.ndarray:
    """Return the exponentially weighted mean, begun at 0."""
    mean, out = 0.0, np.empty_like(stress)
    for i, score in enumerate(stress):
        mean += EWMA_SHARE * (score - mean)
        out[i] = mean
    return out


def cusum(stress: np.ndarray, *, drift: float) -> np.ndarray:
    """Return Page's CUSUM of the scores over a drift."""
    total, out = 0.0, np.empty_like(stress)
    for i, score in enumerate(stress):
        total = max(0.0, total + score - drift)
        out[i] = total
    return out
