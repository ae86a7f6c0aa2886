"""Where calls come from: recordings and telephony protocols, decoded into media events."""
