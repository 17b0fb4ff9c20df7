"""Benchmark suites by name: which pair sets belong together, each loaded when it is its turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hyperface_lib.evaluation.rendered_cache import rendered_set
from hyperface_lib.formats import IjbMeta, PairSet, read_ijb, read_pairs, read_verification_bin

RENDERED_SIZES = (64, 112)
FULL_PAIRS, FULL_PAIRS_CFP_FP = 6000, 7000
IJB = "ijb:"
_INSIGHTFACE_NAMES = {"lfw": "lfw", "cplfw": "cplfw", "agedb_30": "agedb", "calfw": "calfw", "cfp_fp": "cfp-fp"}
SetLoader = Callable[[int, bool], PairSet]
"""Image size in pixels and whether to show progress -> the pair set."""


@dataclass(frozen=True)
class Suite:
    """Named pair sets in order. A set of 12,000 images is large: each is made when `load` asks for it and not kept.

    templates: benchmarks of templates (IJB), which have no pairs of images and are scored by `evaluate_ijb`.
    """

    name: str
    loaders: Mapping[str, SetLoader]
    templates: tuple[IjbMeta, ...] = ()

    @property
    def sets(self) -> tuple[str, ...]:
        """The names of the sets, in order."""
        return tuple(self.loaders)

    def __len__(self) -> int:
        return len(self.loaders)

    def __iter__(self) -> Iterator[str]:
        return iter(self.loaders)

    def load(self, name: str, size: int = 112, progress: bool = False) -> PairSet:
        """Load one set; `size` is the pixels an aligned image should have, 64 or 112 for rendered sets.

        Raises ValueError when the suite has no set of that name.
        """
        if name not in self.loaders:
            raise ValueError(f"The suite {self.name!r} has no set {name!r}, it has {', '.join(self.sets)}.")
        return self.loaders[name](size, progress)

    @classmethod
    def of(cls, *pair_sets: PairSet, name: str = "given") -> Suite:
        """Make a suite of pair sets at hand. Raises ValueError when two carry one name."""
        loaders: dict[str, SetLoader] = {pair_set.name: partial(_given, pair_set) for pair_set in pair_sets}
        if len(loaders) != len(pair_sets):
            raise ValueError(f"The suite {name!r} needs sets of different names, found {[s.name for s in pair_sets]}.")
        return cls(name, loaders)


def is_ijb(spec: str) -> bool:
    """Say whether a suite is a benchmark of templates, "ijb:FOLDER": `load_ijb` reads it, `evaluate_ijb` scores it."""
    return spec.startswith(IJB)


def load_ijb(spec: str) -> IjbMeta:
    """Read the lists of "ijb:FOLDER": IJBB, IJBC or their root, errors as `read_ijb`; ValueError for another suite."""
    if not is_ijb(spec):
        raise ValueError(f"A suite ijb:FOLDER was expected, found {spec!r}.")
    return read_ijb(Path(spec.removeprefix(IJB)).expanduser())


def load_suite(spec: str, pairs: int = FULL_PAIRS) -> Suite:
    """Find a suite by its name; nothing is rendered or read yet, except the list of a `pairs:` folder.

    spec: "rendered" (five benchmarks), "rendered-factors" (four factor sets), one of these sets by name, or
    "pairs:FOLDER" (FOLDER/pairs.txt and its images in FOLDER/images: whole photographs, or a path to a pair list).
    "insightface:FOLDER" reads the verification sets (*.bin) of a folder, the field's five first and under its names.
    "ijb:FOLDER" is IJB-B or IJB-C (`load_ijb`), which `evaluate` scores as templates.
    pairs: how many pairs a rendered set has; 6000 is the full size (7000 for cfp-fp), 600 a quick one. Raises
    ValueError for any other name, naming those there are, and FileNotFoundError for a missing folder.
    """
    kind, colon, rest = spec.partition(":")
    if colon and kind == "pairs":
        pair_set = read_pairs(Path(rest).expanduser())
        return Suite(pair_set.name, {pair_set.name: partial(_given, pair_set)})

    if is_ijb(spec):
        meta = load_ijb(spec)
        return Suite(meta.name, {}, (meta,))

    if colon and kind == "insightface":
        return _insightface_suite(Path(rest).expanduser())

    from hyperface_lib import faces

    if pairs < 60 or pairs % 20:
        raise ValueError(
            f"A rendered set has a multiple of 20 pairs, at least 60, so that ten folds share them, asked for {pairs}."
        )
    groups = {"rendered": tuple(faces.BENCHMARKS), "rendered-factors": tuple(faces.FACTOR_SETS)}
    single = {name: (name,) for names in groups.values() for name in names}
    names = {**groups, **single}.get(spec)
    if names is None:
        raise ValueError(
            f"There is no suite {spec!r}: expected {', '.join([*groups, *single])}, pairs:FOLDER for photographs, "
            "insightface:FOLDER for .bin files or ijb:FOLDER for IJB-B and IJB-C."
        )
    return Suite(spec, {name: partial(_rendered, name, _full_size(name, pairs)) for name in names})


def _insightface_suite(folder: Path) -> Suite:
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder} of verification sets.")
    files = {_INSIGHTFACE_NAMES.get(file.stem, file.stem): file for file in sorted(folder.glob("*.bin"))}
    if not files:
        raise FileNotFoundError(
            f"{folder} was expected to hold verification sets such as lfw.bin, and holds no .bin file."
        )
    known = list(_INSIGHTFACE_NAMES.values())
    order = sorted(files, key=lambda name: (known.index(name) if name in known else len(known), name))
    return Suite(folder.resolve().name, {name: partial(_binary, name, files[name]) for name in order})


def _binary(name: str, file: Path, size: int, progress: bool) -> PairSet:
    # kept at the 112 pixels of the field; the evaluator brings them to another size
    return replace(read_verification_bin(file), name=name)


def _full_size(name: str, pairs: int) -> int:
    return FULL_PAIRS_CFP_FP if pairs == FULL_PAIRS and name.endswith("cfp-fp") else pairs


def _given(pair_set: PairSet, size: int, progress: bool) -> PairSet:
    return pair_set


def _rendered(name: str, pairs: int, size: int, progress: bool) -> PairSet:
    if size not in RENDERED_SIZES:
        raise ValueError(f"{name} is rendered at {' or '.join(map(str, RENDERED_SIZES))} pixels, asked for {size}.")
    return rendered_set(name, pairs, size, progress)
