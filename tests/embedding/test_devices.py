from __future__ import annotations

import pytest
import torch

from hyperface_lib.embedding.devices import autocast, inference_dtype, resolve_device, training_dtype


def test_auto_is_a_device_of_this_machine_and_names_are_kept() -> None:
    assert torch.ones(1, device=resolve_device("auto")).sum().item() == 1
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device(torch.device("cpu")) == torch.device("cpu")


def test_unknown_and_absent_devices_are_refused() -> None:
    with pytest.raises(ValueError, match="device must be 'auto'"):
        resolve_device("quantum")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="finds no CUDA device"):
            resolve_device("cuda")


def test_precision_is_what_was_asked_for() -> None:
    cpu = torch.device("cpu")
    assert training_dtype(cpu, "float32") == torch.float32
    assert training_dtype(cpu, "bfloat16") == torch.bfloat16
    assert inference_dtype(cpu) == torch.float32
    with pytest.raises(ValueError, match="precision must be one of"):
        training_dtype(cpu, "float8")
    layer, x = torch.nn.Linear(2, 2), torch.ones(1, 2)
    with autocast(cpu, torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    with autocast(cpu, torch.float32):
        assert layer(x).dtype == torch.float32
