"""Accuracy: every group of measured rows, estimated as a user would ask and compared with what was measured."""
