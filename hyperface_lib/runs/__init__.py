"""The run folder: typed reading and writing of what passes from one notebook to the next."""

from hyperface_lib.runs.identity_vectors import IdentityVectors, fingerprint_of
from hyperface_lib.runs.manifest import Manifest, versions
from hyperface_lib.runs.run import REFERENCE_RUN, Dataset, Gallery, Run, Table, notice

__all__ = [
    "REFERENCE_RUN",
    "Dataset",
    "Gallery",
    "IdentityVectors",
    "Manifest",
    "Run",
    "Table",
    "fingerprint_of",
    "notice",
    "versions",
]
