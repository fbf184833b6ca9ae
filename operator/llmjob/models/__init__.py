"""Where a model's architecture comes from: the bundled catalogue, an inline config, the number in a name."""
