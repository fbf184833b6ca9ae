"""What holds for every test."""

from hypothesis import settings

# A single example may be slow on a busy machine; that says nothing of the product.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
