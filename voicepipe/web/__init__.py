"""The supervisors' console: who needs help now, judged and taken over with the whole story."""
