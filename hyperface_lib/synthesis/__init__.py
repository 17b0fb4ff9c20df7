"""Unit vectors to images: generators conditioned on identity, and data sets drawn with them."""

from .aligned import AlignedGenerator
from .dataset import DatasetParameters, generate_dataset, read_dataset
from .loading import load_generator
from .protocol import Generator
from .reference_generator import ReferenceGenerator
from .seeds import image_seed, scattered

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
