"""A split of the user's own images: classes alike in every part, copies of an image together."""

from hashlib import sha256

import numpy as np

from src.data.contract import missing_classes
from src.data.split import Split, split_counts
from src.errors import DataError
from src.pictures.form import measure_form


def draw_stratified_split(
    labels: np.ndarray,
    copies: np.ndarray,
    *,
    validation_size: int | float,
    test_size: int | float,
    seed: int,
) -> Split:
    """Draw a split in which every class has its share, and copies of an image are together.

    labels: int64 `[N]`. copies: int64 `[N]`, the first row with the same image. A class keeps at
    least one image to train on; where shares of classes are too small for a split to have any
    image, it gets what is left of all of them. Arguments and errors are else those of `draw_split`.
    """
    sizes = split_counts(len(labels), validation_size, test_size)
    rng = np.random.default_rng(seed)
    side = np.zeros(len(labels), np.int64)  # 0 trains, 1 validates, 2 tests
    heads = np.flatnonzero(copies == np.arange(len(labels)))
    weights = np.bincount(copies, minlength=len(labels))[heads]
    shuffled = rng.permutation(len(heads))
    classes, totals = np.unique(labels, return_counts=True)
    quotas = [_quotas(totals, size) for size in sizes]
    spare = [
        [k for k in shuffled if labels[heads[k]] == c][:-1] for c in classes
    ]  # the last trains

    def take(order: list[int], split: int, left: int) -> int:
        """Move images of a class into a split; return how many are left to take."""
        kept = []
        for k in order:
            if left > 0 and weights[k] < 2 * left:
                left -= weights[k]
                side[heads[k]] = split
            else:  # too many copies; a lighter one may fit
                kept.append(k)
        order[:] = kept
        return left

    for split, name in ((2, "test"), (1, "validation")):  # the same test rows, whatever validates
        for order, quota in zip(spare, quotas[split - 1], strict=True):
            take(order, split, quota)
        left = 0 if split in side else sizes[split - 1]
        for order in spare:
            left = take(order, split, left)
        if sizes[split - 1] and split not in side:
            raise DataError(
                f"`data.{name}_size`: of {len(labels)} images none is left for it, since one of "
                "every class is kept to train on; bring more different images"
            )
    side = side[copies]
    train, validation, test = (np.flatnonzero(side == split) for split in range(3))
    return Split(train=train, validation=validation, test=test)


def _quotas(totals: np.ndarray, size: int) -> np.ndarray:
    """Share `size` out in proportion to the totals, by largest remainders."""
    exact = totals * size / totals.sum()
    quotas = np.floor(exact).astype(np.int64)
    largest = np.argsort(quotas - exact, kind="stable")
    quotas[largest[: size - quotas.sum()]] += 1
    return quotas


def find_copies(pixels: np.ndarray) -> np.ndarray:
    """Return for each image `[N, C, H, W]` the first row that has the same pixels, int64 `[N]`."""
    first: dict[bytes, int] = {}
    digests = (sha256(image.tobytes()).digest() for image in pixels)  # a fraction of their bytes
    return np.array([first.setdefault(digest, row) for row, digest in enumerate(digests)])


def describe_test(test: np.ndarray, *others: np.ndarray) -> tuple[str, ...]:
    """Return in a line how many test images, uint8 `[N, C, H, W]`, are among the others too."""
    known = sum(map(len, others))
    number = int((find_copies(np.concatenate([*others, test]))[known:] < known).sum())
    said = (
        f"{number:,} of {len(test):,} test images are trained or validated on too (equal pixels), "
        "so their answers say nothing of new images; fix: leave them out"
    )
    return (said,) if number else ()


def describe_split(
    pixels: np.ndarray,
    labels: np.ndarray,
    copies: np.ndarray,
    split: Split,
    class_names: tuple[str, ...],
) -> tuple[str, ...]:
    """Return what is to be known of a split of the user's own images, a line each.

    copies: as `find_copies` returns them.
    """
    train, classes = split.train, len(class_names)
    said = [measure_form(pixels[train], labels[train], num_classes=classes).describe()]
    different = len(np.unique(copies))
    if different < len(pixels):
        said.append(
            f"{len(pixels) - different:,} of {len(pixels):,} images are copies of others (equal "
            "pixels); copies stay in one split"
        )
    if unclear := len(np.unique(np.stack([copies, labels]), axis=1).T) - different:
        said.append(f"{unclear:,} images are there again with another label; fix: correct them")
    for name, rows in (("validation", split.validation), ("test", split.test)):
        missing = missing_classes(labels[rows], class_names)
        if missing and len(rows):
            said.append(
                f"no {name} image of class {', '.join(missing[:20])}; bring more images of it"
            )
    return tuple(said)
