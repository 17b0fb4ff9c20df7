"""Files of the field: images, image folders, pair lists, verification sets."""

from hyperface_lib.formats.image_folder import ImageFolder, read_image_folder
from hyperface_lib.formats.images import ImageFiles, ImageReadError, decode_image, read_image
from hyperface_lib.formats.pair_set import PairSet, contiguous_folds
from hyperface_lib.formats.pairs import PairList, parse_pairs, read_pairs
from hyperface_lib.formats.verification_bin import EncodedImages, read_verification_bin, write_verification_bin

__all__ = [
    "EncodedImages",
    "ImageFiles",
    "ImageFolder",
    "ImageReadError",
    "PairList",
    "PairSet",
    "contiguous_folds",
    "decode_image",
    "parse_pairs",
    "read_image",
    "read_image_folder",
    "read_pairs",
    "read_verification_bin",
    "write_verification_bin",
]
