"""What every Holdfast process is built from and none of them owns."""
