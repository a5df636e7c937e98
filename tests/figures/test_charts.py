"""Learning curves: drawn for any training, and showing it."""

import ast
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import src.figures
from src.figures.curves import draw_learning_curves

BLUE, VERMILLION, GREEN = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0x00, 0x9E, 0x73)


def history_of(num_epochs: int, *, first_loss: float = 1.2) -> list[dict[str, float]]:
    history = []
    for epoch in range(num_epochs):
        decay = float(np.exp(-epoch / 5))
        history.append(
            {
                "train_loss": 0.02 + decay,
                "val_loss": 0.1 + 0.8 * decay,
                "train_accuracy": 0.999 - 0.15 * decay,
                "val_accuracy": 0.97 - 0.1 * decay,
            }
        )
    history[0]["train_loss"] = first_loss
    return history


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def places(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Return the pixels of exactly one colour: int64 `[M, 2]`, row and column."""
    return np.argwhere((picture == colour).all(axis=2))


@pytest.mark.parametrize(
    ("num_epochs", "first_loss"),
    [(1, 0.0), (1, 1e30), (2, 1.2), (3, 0.0), (20, 1e6), (200, 1e30), (2000, 1.2)],
)
def test_curves_of_any_training(num_epochs: int, first_loss: float, tmp_path: Path) -> None:
    path = tmp_path / "curves.png"
    history = history_of(num_epochs, first_loss=first_loss)
    draw_learning_curves(history, best_epoch=num_epochs, select="best", path=path)
    picture = read(path)
    assert len(places(picture[:, :450], VERMILLION)) + len(places(picture[:, :450], GREEN)) > 20
    assert len(places(picture[:, 450:], GREEN)) > 20


def test_a_huge_first_loss_does_not_flatten_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "curves.png"
    draw_learning_curves(history_of(20, first_loss=1e6), best_epoch=20, select="best", path=path)
    rows = places(read(path)[:, 75:420], VERMILLION)[:, 0]
    assert np.ptp(rows) > 25


def test_the_best_epoch_is_marked_where_it_is(tmp_path: Path) -> None:
    middles = []
    for best_epoch in (3, 18):
        path = tmp_path / f"{best_epoch}.png"
        draw_learning_curves(history_of(20), best_epoch=best_epoch, select="best", path=path)
        middles.append(places(read(path)[100:200, 70:425], GREEN)[:, 1].mean())
    assert middles[0] < 100
    assert middles[1] > 240


def test_equal_accuracies_look_equal_in_two_runs(tmp_path: Path) -> None:
    """The accuracy axis must not be stretched to whatever a run happens to reach."""
    heights = []
    for name, peak in (("a", 0.97), ("b", 0.99)):
        history = history_of(10)
        history[4]["val_accuracy"] = 0.93
        history[9]["val_accuracy"] = peak
        for epoch in history:
            epoch["train_accuracy"] = epoch["val_accuracy"] - 0.01
        draw_learning_curves(history, best_epoch=5, select="best", path=tmp_path / name)
        heights.append(places(read(tmp_path / name)[:, 500:740], GREEN)[:, 0])
    np.testing.assert_array_equal(heights[0], heights[1])


def test_a_best_epoch_that_never_was_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"best_epoch must be in 1\.\.3, got 4"):
        draw_learning_curves(history_of(3), best_epoch=4, select="best", path=tmp_path / "x.png")


def test_the_legend_says_which_epoch_was_kept(tmp_path: Path) -> None:
    pictures = []
    for select in ("best", "last"):
        draw_learning_curves(history_of(9), best_epoch=9, select=select, path=tmp_path / select)
        pictures.append(read(tmp_path / select))
    rows, columns = np.nonzero((pictures[0] != pictures[1]).any(axis=2))
    assert rows.min() > 340  # below the charts
    assert columns.min() > 700  # where the words of the marked epoch stand


def test_figures_keep_no_global_state() -> None:
    """No pyplot, whose figures live until somebody closes them; no torch, MLflow or Hydra."""
    forbidden = {"pyplot", "torch", "mlflow", "hydra", "omegaconf"}
    folder = Path(src.figures.__file__).parent
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names]
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                parts = {part for name in names for part in name.split(".")}
                assert not parts & forbidden, file.name
