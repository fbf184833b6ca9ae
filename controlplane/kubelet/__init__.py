"""A small kubelet and kube-proxy: runs the pods bound to its own node as sandboxed processes on loopback addresses."""
