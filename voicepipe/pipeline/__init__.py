"""One way through the house: media events in, call events out."""
