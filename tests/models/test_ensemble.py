"""Several networks that answer together."""

import numpy as np
import torch

from src.models.ensemble import join_checkpoints
from src.models.predictor import load_predictor
from tests.plans import QUICK, dataset_of, fit_of, plan_of


def test_its_probabilities_are_the_mean_of_those_of_its_members(tmp_path):
    for loss in ("softmax", "one_vs_rest"):
        overrides = (
            *QUICK,
            "model.hidden_sizes=[8]",
            "model.batch_norm=true",
            f"model.loss={loss}",
        )
        plans = [plan_of(*overrides, "trainer.max_epochs=2", f"seed={n}") for n in (1, 2, 3)]
        dataset, members = dataset_of(plans[0]), []
        for plan in plans:
            folder = tmp_path / f"{loss}-{plan.seed}"
            folder.mkdir()
            members.append(fit_of(plan, dataset, folder).checkpoint)
        checkpoints = [torch.load(path, weights_only=True) for path in members]
        torch.save(join_checkpoints(checkpoints), tmp_path / "joined.ckpt")
        pixels = dataset.validation.pixels
        alone = [load_predictor(path).predict(pixels) for path in members]
        together = load_predictor(tmp_path / "joined.ckpt").predict(pixels)
        assert np.allclose(together, np.mean(alone, axis=0), atol=1e-6)
        assert not np.allclose(together, alone[0], atol=1e-2)
