"""What was said, and when: voice activity, utterances, transcripts."""
