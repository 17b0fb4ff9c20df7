"""The drawings that open notebooks: each one is made by code, and each attachment is one of them."""

import base64
import io
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from hyperface_lib.assets import notebooks_folder
from hyperface_lib.build import drawings
from hyperface_lib.build.notebook_outputs import notebook_files


def attachments() -> dict[str, set[str]]:
    """The pictures each notebook names in its text, by the notebook's place."""
    found: dict[str, set[str]] = {}
    for file in notebook_files():
        texts = [cell.source for cell in nbformat.read(file, as_version=4).cells if cell.cell_type == "markdown"]
        if names := set(re.findall(r"attachment:([^)\s]+)", "\n".join(texts))):
            found[file.relative_to(notebooks_folder()).with_suffix("").as_posix()] = names
    return found


def test_every_attachment_of_a_notebook_is_drawn_here() -> None:
    assert attachments() == {notebook: {name} for notebook, (name, _) in drawings.DRAWINGS.items()}


@pytest.mark.parametrize("notebook", drawings.DRAWINGS)
def test_a_drawing_is_a_small_picture_with_something_on_it(notebook: str) -> None:
    _, draw = drawings.DRAWINGS[notebook]
    picture = draw()
    assert picture == draw()
    with Image.open(io.BytesIO(picture)) as image:
        assert image.format == "PNG"
        assert image.width == 860
        assert len(image.convert("RGB").getcolors() or []) > 20
    assert len(picture) < 60_000


def test_attaching_changes_the_picture_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(notebooks_folder() / "02_packing.ipynb", tmp_path)
    before = nbformat.read(tmp_path / "02_packing.ipynb", as_version=4)
    picture = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(picture, "PNG")
    monkeypatch.setattr(drawings, "DRAWINGS", {"02_packing": ("tammes.png", picture.getvalue), "absent": ("", bytes)})
    drawings.main(tmp_path)
    after = nbformat.read(tmp_path / "02_packing.ipynb", as_version=4)
    stored = after.cells[0].attachments.pop("tammes.png")
    before.cells[0].attachments.pop("tammes.png")
    assert base64.b64decode(stored["image/png"]) == picture.getvalue()
    assert after == before
