"""What a training is computed on, and in which numbers."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from src.errors import ConfigError
from src.process.machine import multiplies_bfloat16

WIDE = 256
"""Units of a layer from which bfloat16 is worth its conversions: docs/performance.md."""


def find_device(accelerator: str) -> str:
    """Return the kind of device that is trained on: cuda, mps or cpu.

    Raises ConfigError where this machine has no such accelerator.
    """
    here = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if accelerator == "auto":
        return next(kind for kind, there in here.items() if there)
    kind = "cuda" if accelerator == "gpu" else accelerator
    if not here[kind]:
        raise ConfigError(
            f"`trainer.accelerator`={accelerator}: this machine has none that PyTorch can use; "
            "trainer.accelerator=auto takes what is there"
        )
    return kind


def describe_device(accelerator: str) -> str:
    """Return the device in words, a GPU by its name too: cuda (NVIDIA H100 80GB HBM3)."""
    kind = find_device(accelerator)
    return f"{kind} ({torch.cuda.get_device_name()})" if kind == "cuda" else kind


def fastest_precision(
    build: Callable[[], nn.Module], device: str, *, root: Path = Path("/")
) -> str:
    """Return bfloat16 for a wide network on a processor that multiplies it, else float32.

    build: makes the network, called only where its width matters. device: as `find_device` names
    it. root: of the file system that tells of the processor.
    """
    if device != "cpu" or not multiplies_bfloat16(root):
        return "float32"
    widths = [len(weight) for weight in build().parameters() if weight.ndim == 2]
    return "bfloat16" if max(widths, default=0) >= WIDE else "float32"
