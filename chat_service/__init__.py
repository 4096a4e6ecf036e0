"""Users, their chats, the insight catalogue, jobs and insights."""
