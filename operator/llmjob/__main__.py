"""`python -m llmjob` is the llmjob command."""

from llmjob.cli.main import run

if __name__ == "__main__":
    run()
