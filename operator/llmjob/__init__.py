"""llmjob keeps LLM jobs from running out of GPU memory on Kubernetes."""
