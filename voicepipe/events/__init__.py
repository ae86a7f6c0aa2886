"""What leaves the house: the wire contract, the store with its outbox, the relay and its sinks."""
