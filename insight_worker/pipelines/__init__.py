"""What jobs can do. Each module here that exports `PIPELINE` is one kind of job."""
