"""The search index of chats: chunks of conversation, found by words and by meaning."""
