"""What Holdfast costs: every figure beside its baseline in the same run, on the same machine."""
