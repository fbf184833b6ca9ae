"""The certificates of admission: the authority that is ours, what becomes due, where it is kept and who trusts it."""
