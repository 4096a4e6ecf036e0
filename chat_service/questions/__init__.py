"""Questions about a chat: their answers, what they cost, and the conversations that they make."""
