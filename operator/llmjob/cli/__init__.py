"""The llmjob command, one module a command."""
