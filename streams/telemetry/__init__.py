"""What a process says of itself to those who run it: metrics, readiness, logs, traces."""
