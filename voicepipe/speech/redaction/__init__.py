"""Private data in what was said: kinds of it, how each is written and spoken, and what a call leads to expect."""
