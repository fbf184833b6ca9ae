"""Development tools; never in the wheel."""
