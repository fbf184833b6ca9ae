"""What a Kubernetes object asks for, as a Request."""
