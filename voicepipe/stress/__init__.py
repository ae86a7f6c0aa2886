"""How it was said, and for how long: prosody, baseline, stress, episodes."""
