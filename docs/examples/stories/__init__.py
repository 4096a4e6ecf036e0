"""Tells the stories of the sample exports."""
