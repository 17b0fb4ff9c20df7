"""Synthetic face-recognition training sets by packing identities on the embedding hypersphere."""

__version__ = "0.1.0"
