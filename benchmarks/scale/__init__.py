"""What a cold start of each process costs in a large cluster, on the real control plane."""
