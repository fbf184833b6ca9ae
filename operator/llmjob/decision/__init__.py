"""The one decision: does it fit, where, and what is done about it. Pure."""
