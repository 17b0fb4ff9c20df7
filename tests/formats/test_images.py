import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from hyperface_lib.formats import ImageFiles, ImageReadError, decode_image, read_image

COLOURS = np.zeros((4, 6, 3), dtype=np.uint8)
COLOURS[:, :2], COLOURS[:, 2:4], COLOURS[:2, 4:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def save(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def test_a_lossless_image_comes_back_pixel_for_pixel(tmp_path: Path) -> None:
    read = read_image(save(Image.fromarray(COLOURS), tmp_path / "a.png"))
    assert read.dtype == np.uint8 and np.array_equal(read, COLOURS)
    read[:] = 0  # a caller may write into what it got


def test_the_content_decides_not_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "named.jpg"
    Image.fromarray(COLOURS).save(path, format="PNG")
    assert np.array_equal(read_image(path), COLOURS)


def test_greyscale_becomes_three_equal_channels(tmp_path: Path) -> None:
    grey = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
    assert np.array_equal(read_image(save(Image.fromarray(grey), tmp_path / "g.png")), np.repeat(grey[..., None], 3, 2))


def test_sixteen_bits_keep_their_high_byte_instead_of_clipping(tmp_path: Path) -> None:
    grey = np.array([[0, 257, 32768, 65535]], dtype=np.uint16)
    for name in ("g.png", "g.tif"):
        assert read_image(save(Image.fromarray(grey), tmp_path / name))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    path = save(Image.fromarray(np.ones((3, 3), dtype=np.float32)), tmp_path / "f.tif")
    with pytest.raises(ImageReadError, match=r"f\.tif.*floating"):
        read_image(path)


def test_cmyk_keeps_its_colours(tmp_path: Path) -> None:
    red = Image.new("RGB", (16, 16), (220, 30, 40))
    read = read_image(save(red.convert("CMYK"), tmp_path / "c.jpg", quality=95))
    assert np.abs(read.astype(int) - (220, 30, 40)).max() < 12


def test_palette_keeps_its_colours(tmp_path: Path) -> None:
    assert np.array_equal(read_image(save(Image.fromarray(COLOURS).quantize(8), tmp_path / "p.png")), COLOURS)


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    image = np.dstack([COLOURS, np.full((4, 6), 255, np.uint8)])
    image[0, :, 3] = 0
    read = read_image(save(Image.fromarray(image), tmp_path / "a.png"))
    assert (read[0] == 255).all() and np.array_equal(read[1:], COLOURS[1:])
    grey = read_image(save(Image.fromarray(np.zeros((2, 2, 2), np.uint8), "LA"), tmp_path / "la.png"))
    assert (grey == 255).all()


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.transpose(1, 0, 2)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: a[::-1, ::-1].transpose(1, 0, 2)),
        (8, lambda a: np.rot90(a, 1)),
    ],
)
def test_every_exif_orientation_comes_out_upright(tmp_path: Path, orientation: int, turned: object) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(Image.fromarray(COLOURS), tmp_path / "turned.png", exif=exif)
    assert np.array_equal(read_image(path), turned(COLOURS))  # type: ignore[operator]


def test_a_damaged_exif_block_does_not_lose_the_picture(tmp_path: Path) -> None:
    path = save(Image.fromarray(COLOURS), tmp_path / "e.jpg", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    assert read_image(path).shape == COLOURS.shape


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.png"):
        read_image(tmp_path / "nowhere.png")
    with pytest.raises(ImageReadError, match="folder"):
        read_image(tmp_path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"])
def test_truncated_files_are_refused_in_one_sentence_naming_them(tmp_path: Path, kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, format=kind)
    for share in (0.0, 0.01, 0.3, 0.6):
        path = tmp_path / "cut.img"
        path.write_bytes(stream.getvalue()[: int(len(stream.getvalue()) * share)])
        with pytest.raises(ImageReadError, match=r"cut\.img") as error:
            read_image(path)
        assert "\n" not in str(error.value) and str(error.value).endswith(".")


def test_text_is_not_an_image(tmp_path: Path) -> None:
    path = tmp_path / "page.jpg"
    path.write_text("<html>404</html>")
    with pytest.raises(ImageReadError, match=r"page\.jpg"):
        read_image(path)


def test_postscript_is_never_given_to_an_interpreter() -> None:
    with pytest.raises(ImageReadError, match="found bytes b'%!PS-Ado'"):
        decode_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n")


@pytest.mark.parametrize("side", [9_000, 60_000])
def test_decompression_bombs_are_refused_unread(side: int) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    with pytest.raises(ImageReadError, match="refused unread"):
        decode_image(bomb)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_give_an_image_or_the_error_and_nothing_else(data: st.DataObject) -> None:
    stream = io.BytesIO()
    Image.fromarray(COLOURS).save(stream, format=data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "WEBP"])))
    content = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = decode_image(bytes(content), "flipped")
    except ImageReadError as error:
        assert str(error).startswith("flipped")
    else:
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3


def test_image_files_read_one_at_a_time(tmp_path: Path) -> None:
    good = save(Image.fromarray(COLOURS), tmp_path / "a.png")
    files = ImageFiles([good, tmp_path / "missing.png"])
    assert len(files) == 2 and np.array_equal(files[0], COLOURS) and files[1:].paths == (tmp_path / "missing.png",)
    with pytest.raises(FileNotFoundError):
        files[1]
