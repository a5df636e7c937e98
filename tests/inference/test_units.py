"""The first-layer units that answer a picture, whoever else asks meanwhile."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from src.inference.recogniser import load_recogniser
from src.inference.units import strongest_units
from src.pictures.reading import picture_from_array
from tests.plans import stored_runs


@pytest.mark.parametrize("kind", ["dense", "linear"])
def test_units_are_those_of_the_own_picture_while_others_ask(trained, digits, kind):
    recogniser = load_recogniser(stored_runs(trained.tracking), model=getattr(trained, kind))
    prepared = [recogniser.prepare(picture_from_array(p[0])) for p in digits.pixels[:400]]
    layer = next(m for m in recogniser.predictor.modules() if hasattr(m, "in_features"))
    weights, bias = (p.detach().numpy() for p in layer.parameters())
    expected = [weights @ (image.pixels.ravel() / 255) + bias for image in prepared]
    with ThreadPoolExecutor(4) as visitors:
        found = list(visitors.map(lambda image: strongest_units(recogniser, image), prepared))
    for units, responses in zip(found, expected, strict=True):
        assert [int(unit.name.split()[-1]) for unit in units] == np.argsort(-responses)[:6].tolist()
        np.testing.assert_allclose([u.response for u in units], -np.sort(-responses)[:6], atol=1e-4)
