"""LLMJob v1alpha1: the one reader of a manifest for command line, webhook and controller."""
