"""What is on sale."""
