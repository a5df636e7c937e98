"""Frames in, an animated picture out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = 128


def save_animation(
    frames: Sequence[np.ndarray], path: Path, *, frame_ms: int = 150, last_ms: int = 3000
) -> None:
    """Write frames, uint8 RGB `[H, W, 3]` of one size, as a WebP that begins again at its end.

    In COLOURS colours, those that suit the last frame, and else without loss: noisy weights then
    take a seventh of what they take as a GIF. frame_ms: how long each is shown, but for the last
    one, last_ms.
    """
    palette = Image.fromarray(frames[-1]).quantize(COLOURS)
    first, *others = [
        Image.fromarray(f).quantize(palette=palette, dither=Image.Dither.NONE).convert("RGB")
        for f in frames
    ]
    first.save(
        path,
        format="WEBP",
        lossless=True,
        save_all=True,
        append_images=others,
        duration=[frame_ms] * len(others) + [last_ms],
        loop=0,
    )
