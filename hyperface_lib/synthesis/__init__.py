"""Unit vectors to images: generators conditioned on identity, and data sets drawn with them."""

from hyperface_lib.synthesis.aligned import AlignedGenerator
from hyperface_lib.synthesis.dataset import DatasetParameters, generate_dataset, read_dataset
from hyperface_lib.synthesis.loading import load_generator
from hyperface_lib.synthesis.protocol import Generator
from hyperface_lib.synthesis.reference_generator import ReferenceGenerator
from hyperface_lib.synthesis.seeds import image_seed, scattered

__all__ = [
    "AlignedGenerator",
    "DatasetParameters",
    "Generator",
    "ReferenceGenerator",
    "generate_dataset",
    "image_seed",
    "load_generator",
    "read_dataset",
    "scattered",
]
