"""Which device, and in which precision the matrix products are worth running."""

from __future__ import annotations

from functools import lru_cache

import torch

# bfloat16 keeps 8 bits: a cosine near c is wrong by c/256, and by 1/(128 sqrt(d)) from the inputs. Both must stay
# well under the annealed window, which holds for high dimensions and cosines near zero only.
_LOWEST_DIMENSION = 64
_LARGEST_COSINE = 0.25
_SMALLEST_COUNT = 256


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """Return the device meant by `device`; "auto" is cuda, then mps, then cpu."""
    if str(device) != "auto":
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


@lru_cache(maxsize=1)
def _cpu_multiplies_bfloat16() -> bool:
    names = ("avx512_bf16", "amx_bf16", "bf16", "arm_bf16")
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(bool(capabilities.get(name, False)) for name in names)


def has_fast_bfloat16(device: torch.device) -> bool:
    """Say whether `device` multiplies bfloat16 matrices in hardware."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and _cpu_multiplies_bfloat16()


def matmul_dtype(device: torch.device, count: int, dimension: int, max_cosine: float) -> torch.dtype:
    """Return the dtype of the matrix products for packing `count` points whose largest cosine is near `max_cosine`."""
    pays = count >= _SMALLEST_COUNT and dimension >= _LOWEST_DIMENSION and has_fast_bfloat16(device)
    return torch.bfloat16 if pays and max_cosine <= _LARGEST_COSINE else torch.float32


def accumulator_dtype(device: torch.device) -> torch.dtype:
    """Return the widest floating-point dtype `device` has."""
    return torch.float32 if device.type == "mps" else torch.float64
