"""Sound: codecs, framing and resampling."""
