"""People who use an app."""
