"""What was observed, read without I/O: how a container ended and what its last lines claim."""
