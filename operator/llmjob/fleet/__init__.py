"""What GPUs a cluster has: nodes' labels read by dialect and grouped into classes."""
