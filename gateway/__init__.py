"""REST for apps: authentication, one error shape, and calls to the services behind. Owns no data."""
