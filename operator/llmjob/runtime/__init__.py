"""Everything that touches the world, thin: API server, sockets, metrics, processes."""
