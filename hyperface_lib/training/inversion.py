"""From a class centre or an embedding back to an image: what a stored template gives away.

Deng et al. (arXiv 1801.07698, section 3.5) search the image itself, from noise and without a generator, so that a
trained network names a class (closed set) or gives a wanted embedding (open set), while the statistics of its batch
normalisation keep the image near what it was trained on. `inversion_views` holds what goes beyond the paper.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm.auto import tqdm

from hyperface_lib.embedding.images import to_images, to_network_input
from hyperface_lib.losses import ArcFaceHead, unit_rows
from hyperface_lib.training.inversion_prior import BatchNormPrior
from hyperface_lib.training.inversion_settings import DISTANCES, PAPER_TERMS, InversionSettings
from hyperface_lib.training.inversion_views import Canvas, total_variation

_UNIT_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Inversion:
    """Images found, and how the search went.

    `cosines` are between each image as uint8 and its target under the inverted network itself: they only say that the
    search succeeded, and nothing about whether another network, or a person, sees that identity.
    """

    images: NDArray[np.uint8]  # (n, size, size, 3)
    cosines: NDArray[np.float32]  # (n,)
    identity_losses: NDArray[np.float32]  # (steps,), mean over the batches
    priors: NDArray[np.float32]  # (steps,), mean over the batches; zeros where the weight is 0
    settings: InversionSettings


IdentityLoss = Callable[[Tensor], Tensor]


def invert_class(
    network: nn.Module,
    class_centers: Tensor | NDArray[np.floating],
    classes: ArrayLike,
    settings: InversionSettings | None = None,
    progress: bool = True,
) -> Inversion:
    """Search images that `network` gives to `classes` (n,) of the centres (n_classes, d) it was trained with.

    Closed set: the ArcFace loss of eq. 3 with `scale` and `margin_radians` against all centres. `network` maps images
    (n, 3, size, size) in [-1, 1] to features (n, d); its attribute `image_size` says the size. Raises ValueError for
    centres of another dimension, a class that has no centre, or a prior that finds no batch normalisation.
    """
    settings = settings or InversionSettings()
    device = _device(network)
    centers = torch.as_tensor(class_centers).detach().float().to(device)
    _check_rows("class_centers", centers, network)
    numbers = np.asarray(classes)
    if numbers.ndim != 1 or not np.issubdtype(numbers.dtype, np.integer) or not len(numbers):
        raise ValueError(f"classes must be a non-empty row of integers, found {numbers.dtype} {numbers.shape}")
    if numbers.min() < 0 or numbers.max() >= len(centers):
        raise ValueError(
            f"classes must lie in 0 .. {len(centers) - 1}, as many as there are centres, "
            f"found {numbers.min()} .. {numbers.max()}"
        )
    labels = torch.as_tensor(numbers.astype(np.int64)).to(device)
    # The first weights of a head come from the global generator, and are thrown away here.
    with torch.random.fork_rng(devices=[]):
        head = ArcFaceHead(
            centers.shape[1], len(centers), scale=settings.scale, margin_radians=settings.margin_radians
        ).to(device)
    head.requires_grad_(False)
    head.weight.copy_(centers)

    def named(part: slice) -> IdentityLoss:
        return lambda features: head(features, labels[part])

    return _invert(network, unit_rows(centers[labels]), named, settings, progress)


def invert_embedding(
    network: nn.Module,
    vectors: Tensor | NDArray[np.floating],
    settings: InversionSettings | None = None,
    progress: bool = True,
) -> Inversion:
    """Search images whose feature under `network` points where the unit `vectors` (n, d) do.

    Open set: `scale` times 1 - cos ("cosine") or the Euclidean distance between unit vectors ("l2"), mean over the
    batch. No class need exist. `network` as in `invert_class`. Raises ValueError for vectors of another dimension or
    not of length 1, or a prior that finds no batch normalisation.
    """
    settings = settings or InversionSettings()
    targets = torch.as_tensor(vectors).detach().float().to(_device(network))
    _check_rows("vectors", targets, network)
    lengths = targets.norm(dim=1)
    if bool((lengths - 1).abs().max() > _UNIT_TOLERANCE):
        raise ValueError(
            f"vectors must have length 1, found lengths from {float(lengths.min()):.4g} to {float(lengths.max()):.4g}"
        )

    def matched(part: slice) -> IdentityLoss:
        return lambda features: settings.scale * embedding_distance(features, targets[part], settings.distance).mean()

    return _invert(network, targets, matched, settings, progress)


def embedding_distance(features: Tensor, targets: Tensor, distance: str) -> Tensor:
    """Return 1 - cos ("cosine") or the length of the difference of unit vectors ("l2"), (n,), for rows (n, d).

    The squared length is 2 - 2 cos, no choice of its own; the length itself pulls equally at any distance.
    """
    if distance not in DISTANCES:
        raise ValueError(f"distance must be one of {', '.join(DISTANCES)}, found {distance!r}")
    apart = 1 - (unit_rows(features.float()) * targets).sum(dim=1)
    if distance == "cosine":
        return apart
    # The floor keeps the gradient of the root finite where a feature has arrived.
    return torch.sqrt((2 * apart).clamp_min(1e-8))


def _invert(
    network: nn.Module,
    targets: Tensor,
    loss_of: Callable[[slice], IdentityLoss],
    settings: InversionSettings,
    progress: bool,
) -> Inversion:
    count = len(targets)
    batches = math.ceil(count / settings.batch_size)
    # Batches as equal as can be: the statistics of a small last one would tie its images down more.
    edges = [round(count * index / batches) for index in range(batches + 1)]
    found, curves = [], []
    with (
        _evaluating(network),
        _prior_of(network, settings) as prior,
        tqdm(total=batches * settings.steps, disable=not progress, desc="inverting", unit="step") as bar,
    ):
        for index in range(batches):
            part = slice(edges[index], edges[index + 1])
            generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + index)
            images, curve = _search(network, loss_of(part), part.stop - part.start, prior, settings, generator, bar)
            found.append(to_images(images))
            curves.append(curve)
    pictures = np.concatenate(found)
    mean_curves = np.asarray(curves, np.float64).mean(axis=0).astype(np.float32)
    cosines = _cosines(network, pictures, targets, settings.batch_size)
    return Inversion(pictures, cosines, mean_curves[:, 0], mean_curves[:, 1], settings)


def _search(
    network: nn.Module,
    identity_loss: IdentityLoss,
    count: int,
    prior: BatchNormPrior | None,
    settings: InversionSettings,
    generator: torch.Generator,
    bar: Any,
) -> tuple[Tensor, list[tuple[float, float]]]:
    """Search one batch by Adam; return the images (n, 3, size, size) and identity loss and prior of every step."""
    size = int(network.image_size)  # type: ignore[arg-type]
    canvas = Canvas(count, size, settings.levels, settings.start_deviation, generator, _device(network))
    optimiser = torch.optim.Adam(canvas.layers, lr=settings.learning_rate, betas=(0.9, 0.99))
    curve = []
    for step in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * _learning_rate_share(step, settings.steps)
        images = canvas.images()
        views = settings.views(images, generator).contiguous(memory_format=torch.channels_last)
        identity = identity_loss(network(views))
        memory = torch.zeros((), device=identity.device) if prior is None else prior.take()
        loss = identity + settings.batch_norm_weight * memory
        if settings.total_variation_weight:
            loss = loss + settings.total_variation_weight * total_variation(images)
        if not bool(torch.isfinite(loss)):
            raise ValueError(f"the loss of an inversion must stay finite, found {loss.item()} at step {step}")
        # Only the image is differentiated: the network's own gradients are left as they are.
        gradients = torch.autograd.grad(loss, canvas.layers)
        for layer, gradient in zip(canvas.layers, gradients, strict=True):
            layer.grad = gradient
        optimiser.step()
        curve.append((identity.item(), memory.item()))
        bar.update()
    return canvas.images().detach(), curve


def _learning_rate_share(step: int, steps: int) -> float:
    """A tenth of the way up in ten steps, then half a cosine down to a fiftieth."""
    return max(0.02, min(1.0, (step + 1) / 10) * 0.5 * (1 + math.cos(math.pi * step / steps)))


@torch.no_grad()
def _cosines(network: nn.Module, pictures: NDArray[np.uint8], targets: Tensor, batch: int) -> NDArray[np.float32]:
    cosines = []
    with _evaluating(network):
        for start in range(0, len(pictures), batch):
            features = network(to_network_input(pictures[start : start + batch], targets.device))
            same = functional.cosine_similarity(features.float(), targets[start : start + batch], dim=1)
            cosines.append(same.cpu().numpy())
    return np.concatenate(cosines)


@contextlib.contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Use the running statistics inside the block, and leave every module in the mode it was in."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _prior_of(network: nn.Module, settings: InversionSettings) -> contextlib.AbstractContextManager[Any]:
    return BatchNormPrior(network) if settings.batch_norm_weight else contextlib.nullcontext()


def _device(network: nn.Module) -> torch.device:
    first = next(network.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def _check_rows(name: str, rows: Tensor, network: nn.Module) -> None:
    missing = [attribute for attribute in ("dimension", "image_size") if not hasattr(network, attribute)]
    if missing:
        raise ValueError(
            f"the network must say its dimension and image_size, as the kit's backbones do; "
            f"{type(network).__name__} lacks {' and '.join(missing)}"
        )
    dimension = int(network.dimension)  # type: ignore[arg-type]
    if rows.ndim != 2 or not len(rows) or rows.shape[1] != dimension:
        raise ValueError(f"{name} must be (n, {dimension}) for this network, found {tuple(rows.shape)}")
    if not bool(torch.isfinite(rows).all()):
        raise ValueError(f"{name} must be finite numbers, found NaN or infinity")


__all__ = [
    "PAPER_TERMS",
    "Inversion",
    "InversionSettings",
    "embedding_distance",
    "invert_class",
    "invert_embedding",
]
