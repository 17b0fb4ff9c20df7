"""Recognition networks in ONNX files as embedders, and the InsightFace packs that hold them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from hyperface_lib.embedding.images import Images, check_images
from hyperface_lib.embedding.onnx_graph import first_nodes
from hyperface_lib.embedding.protocol import unit_vectors

# Nodes looked at for a normalisation of the network's own; exporters put it first.
_NODES_LOOKED_AT = 8
# Subtracting and dividing inside the graph, under the names that the two common exporters give the nodes.
_SUBTRACT, _MULTIPLY = ("Sub", "_minus"), ("Mul", "_mul")


def file_fingerprint(path: str | Path) -> str:
    """Return the fingerprint of the embedder in an ONNX file: the first 16 hexadecimal digits of its SHA-256."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


class OnnxEmbedder:
    """Embed crops with a recognition network stored as ONNX, on the processor through onnxruntime.

    The network takes channels first, RGB unless `channel_order` is "BGR"; `self_test` tells which. Pixels are scaled to
    [-1, 1] by (x - 127.5) / 127.5, unless the graph begins by subtracting and multiplying itself (exports from MXNet
    do): then they enter as they are.
    """

    def __init__(
        self,
        path: str | Path,
        name: str | None = None,
        flip: bool = True,
        batch_size: int = 16,
        threads: int = 0,
        channel_order: str = "RGB",
    ) -> None:
        import onnxruntime

        if channel_order not in ("RGB", "BGR"):
            raise ValueError(f"channel_order: 'RGB' or 'BGR' was expected, found {channel_order!r}")
        source = Path(path)
        if source.is_dir():
            raise ValueError(f"{source}: an ONNX file was expected, found a folder")
        if not source.is_file():
            raise FileNotFoundError(f"{source}: an ONNX file was expected, found nothing there")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise ValueError(f"{source}: a readable ONNX network was expected, found: {reason[0]}") from error
        entry = recognition_input(self._session)
        if entry is None:
            raise ValueError(
                f"{source} is not a recognition network: expected one input (n, 3, size, size) with size >= 112 "
                f"divisible by 16 and one output (n, d), found {describe_session(self._session)}"
            )
        self._input, self.image_size, self.dimension, fixed_batch = entry
        self.name = name or f"onnx:{source}"
        self.flip = flip
        self.channel_order = channel_order
        self.batch_size = fixed_batch or batch_size
        self.fingerprint = file_fingerprint(source)
        self.mean, self.std = (0.0, 1.0) if normalises_itself(source) else (127.5, 127.5)

    def embed_raw(self, images: Images, progress: bool = False) -> NDArray[np.float32]:
        """Return un-normalised features (n, dimension) of uint8 crops (n, size, size, 3)."""
        array = check_images(images, self.image_size)
        result = np.empty((len(array), self.dimension), np.float32)
        starts = range(0, len(array), self.batch_size)
        for start in tqdm(starts, disable=not progress, desc=f"embedding ({self.name})"):
            part = array[start : start + self.batch_size]
            padded = np.zeros((self.batch_size, self.image_size, self.image_size, 3), np.uint8)
            padded[: len(part)] = part
            features = self._run(padded)
            if self.flip:
                features = features + self._run(padded[:, :, ::-1])
            result[start : start + len(part)] = features[: len(part)]
        return result

    def embed(self, images: Images, progress: bool = False) -> NDArray[np.float32]:
        """Return unit vectors (n, dimension) of uint8 crops (n, size, size, 3)."""
        return unit_vectors(self.embed_raw(images, progress))

    def _run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        ordered = images[..., ::-1] if self.channel_order == "BGR" else images
        batch = (ordered.astype(np.float32) - self.mean) / self.std
        batch = np.ascontiguousarray(batch.transpose(0, 3, 1, 2))
        features: NDArray[np.float32] = self._session.run(None, {self._input: batch})[0]
        return features


def recognition_input(session: Any) -> tuple[str, int, int, int] | None:
    """Return input name, image size, dimension and fixed batch size (0 if free); None if it is no recogniser."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        return None
    shape, result = inputs[0].shape, outputs[0].shape
    if len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3] or not isinstance(shape[2], int):
        return None
    if shape[2] < 112 or shape[2] % 16 or len(result) != 2 or not isinstance(result[1], int):
        return None
    # 96-pixel attribute and 192-pixel landmark networks share the form; a recogniser's vector is the longer one.
    if result[1] < 64 or shape[2] == 192:
        return None
    batch = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else 0
    return inputs[0].name, shape[2], result[1], batch


def describe_session(session: Any) -> str:
    """Return the names and shapes of a network's inputs and outputs as text."""
    inputs = ", ".join(f"{item.name} {item.shape}" for item in session.get_inputs())
    outputs = ", ".join(f"{item.name} {item.shape}" for item in session.get_outputs())
    return f"inputs {inputs}; outputs {outputs}"


def normalises_itself(path: str | Path) -> bool:
    """Say whether the graph's first nodes both subtract and multiply, that is, expect raw pixels."""
    first = first_nodes(path, _NODES_LOOKED_AT)
    return all(
        any(node.operation == marks[0] or node.name.startswith(marks) or node.name.endswith(marks) for node in first)
        for marks in (_SUBTRACT, _MULTIPLY)
    )


def load_pack(folder: str | Path, flip: bool = True, channel_order: str = "RGB") -> OnnxEmbedder:
    """Load the recognition network of an InsightFace pack: the first file, by name, that has a recogniser's form.

    Raises FileNotFoundError if there is no such folder or no `.onnx` file in it, ValueError if none is a recogniser.
    """
    import onnxruntime

    place = Path(folder).expanduser()
    files = sorted(place.glob("*.onnx"))
    if not files:
        raise FileNotFoundError(f"no .onnx files in {place}: expected an InsightFace model pack")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    for file in files:
        try:
            session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        except Exception:
            continue
        if recognition_input(session) is not None:
            return OnnxEmbedder(file, name=f"pack:{folder}", flip=flip, channel_order=channel_order)
    raise ValueError(f"{place}: none of {', '.join(file.name for file in files)} is a recognition network")
