"""What a conversation was like: turn-taking, stress over the call, warmth, service, handoff; live and in batch."""

from voicepipe.conversation.call import Conversation, measure_conversation
from voicepipe.conversation.cues import load_books
from voicepipe.conversation.handoff import handoff
from voicepipe.conversation.note import Handoff
from voicepipe.conversation.spurts import TurnConfig

__all__ = ["Conversation", "Handoff", "TurnConfig", "handoff", "load_books", "measure_conversation"]
