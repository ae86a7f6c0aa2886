"""What became of one message that a sink was given."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkDelivery:
    """Outcome of one message; implements `voicepipe.ports.Delivery`.

    Attributes
    ----------
    delivered : bool
        True after the receiver's acknowledgement.
    refused : str, optional
        Why the receiver will never take it; None where it may be sent again.
    """

    delivered: bool
    refused: str | None = None
