"""Files of the field: images, image folders, record files, shards, pair lists, verification sets."""

from hyperface_lib.formats.conversion import convert
from hyperface_lib.formats.conversion_state import Conversion
from hyperface_lib.formats.ijb import IjbMeta, TemplateSubjects, find_ijb, read_ijb
from hyperface_lib.formats.image_folder import ImageFolder, read_image_folder
from hyperface_lib.formats.image_sets import ImageSet, open_image_set
from hyperface_lib.formats.image_shards import ImageShards, read_image_shards
from hyperface_lib.formats.images import ImageFiles, ImageReadError, decode_image, read_image
from hyperface_lib.formats.inspection import Inspection, inspect
from hyperface_lib.formats.lmdb_set import LmdbSet
from hyperface_lib.formats.lmdb_writer import LmdbWriter
from hyperface_lib.formats.numpy_vectors import NumpyVectors, read_numpy_vectors, write_numpy_vectors
from hyperface_lib.formats.pair_set import PairSet, contiguous_folds
from hyperface_lib.formats.pairs import PairList, parse_pairs, read_pairs
from hyperface_lib.formats.record_writer import RecordWriter
from hyperface_lib.formats.records import RecordReader
from hyperface_lib.formats.verification_bin import EncodedImages, read_verification_bin, write_verification_bin

__all__ = [
    "Conversion",
    "EncodedImages",
    "IjbMeta",
    "ImageFiles",
    "ImageFolder",
    "ImageReadError",
    "ImageSet",
    "ImageShards",
    "Inspection",
    "LmdbSet",
    "LmdbWriter",
    "NumpyVectors",
    "PairList",
    "PairSet",
    "RecordReader",
    "RecordWriter",
    "TemplateSubjects",
    "contiguous_folds",
    "convert",
    "decode_image",
    "find_ijb",
    "inspect",
    "open_image_set",
    "parse_pairs",
    "read_ijb",
    "read_image",
    "read_image_folder",
    "read_image_shards",
    "read_numpy_vectors",
    "read_pairs",
    "read_verification_bin",
    "write_numpy_vectors",
    "write_verification_bin",
]
