"""How high a score is, for people who look at it; what raises an alert is the episode, never one score."""

RAISED_STRESS = 0.35
"""From here a probability, 0 to 1, is shown as raised; below it as calm."""

HIGH_STRESS = 0.65
"""From here it is shown as high, and explained."""
