"""What a conversation was like: turn-taking, stress over the call, warmth, service, handoff; live and in batch."""

from voicepipe.conversation.call import Conversation, measure_conversation
from voicepipe.conversation.cues import load_books
from voicepipe.conversation.handoff import handoff
from voicepipe.conversation.note import Handoff

__all__ = ["Conversation", "Handoff", "handoff", "load_books", "measure_conversation"]
