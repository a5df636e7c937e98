"""What every model promises, for every file in conf/model."""

from math import prod

import pytest
import torch
import torch.nn.functional as F

from src.cli.overrides import CONF
from src.data.module import to_tensors
from src.models.probabilities import scale
from tests.plans import QUICK, dataset_of, plan_of

MODELS = sorted(file.stem for file in (CONF / "model").glob("*.yaml"))
VARIANTS = [
    *(f"model={model}" for model in MODELS),
    *(f"model={model} regularization.input_dropout=0.2" for model in MODELS),
    *(f"model=dnn model.activation={a}" for a in ("relu", "gelu", "silu", "tanh", "leaky_relu")),
    "model=dnn model.batch_norm=true",
    "model=dnn model.hidden_sizes=[5]",
    "model=dnn model.hidden_sizes=[16,8,4] model.dropout=0.5 model.batch_norm=true",
]
SHAPES = [((1, 28, 28), 10), ((1, 8, 8), 62), ((3, 16, 12), 2)]
"""Shapes of an image, each with a number of classes."""


def build(line, *, image_shape=(1, 8, 8), num_classes=10):
    torch.manual_seed(0)
    return plan_of(*line.split()).model.build(image_shape=image_shape, num_classes=num_classes)


def images(count, shape):
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def digits():
    """Return 200 real digits, float32 `[200, 1, 8, 8]` in 0..1, and their labels."""
    pixels, labels = to_tensors(dataset_of(plan_of(*QUICK), train_images=200).train)
    return scale(pixels), labels


def test_there_are_models():
    assert {"linear", "dnn"} <= set(MODELS)


@pytest.mark.parametrize("line", VARIANTS)
@pytest.mark.parametrize(("shape", "num_classes"), SHAPES, ids=str)
def test_images_of_any_shape_become_finite_logits_for_any_number_of_classes(
    line, shape, num_classes
):
    model = build(line, image_shape=shape, num_classes=num_classes)
    logits = model(images(4, shape))
    assert logits.shape == (4, num_classes)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


@pytest.mark.parametrize("line", VARIANTS)
def test_gradients_reach_every_parameter(line, digits):
    pixels, labels = digits
    model = build(line)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):  # weights that start at zero pass a gradient on from the second step
        optimizer.zero_grad()
        F.cross_entropy(model(pixels), labels).backward()
        optimizer.step()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.count_nonzero() > 0, name


@pytest.mark.parametrize("line", VARIANTS)
def test_training_on_real_digits_lowers_the_loss(line, digits):
    pixels, labels = digits
    model = build(line)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(pixels), labels)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) / 5 < 0.9 * losses[0]


@pytest.mark.parametrize("line", VARIANTS)
def test_an_image_is_judged_alone_and_always_the_same_in_eval_mode(line):
    model = build(line).eval()
    batch = images(6, (1, 8, 8))
    torch.testing.assert_close(model(batch)[2:3], model(batch[2:3]))
    assert torch.equal(model(batch), model(batch))


@pytest.mark.parametrize("line", [v for v in VARIANTS if "dropout" in v])
def test_dropout_drops_while_training_only(line):
    model = build(line)
    for weights in model.parameters():
        torch.nn.init.normal_(weights)
    batch = images(6, (1, 8, 8))
    assert not torch.equal(model.train()(batch), model(batch))
    assert torch.equal(model.eval()(batch), model(batch))


@pytest.mark.parametrize("line", VARIANTS)
def test_the_seed_decides_the_first_weights(line):
    one, same = build(line).state_dict(), build(line).state_dict()
    assert all(torch.equal(one[name], same[name]) for name in one)


@pytest.mark.parametrize("line", VARIANTS)
def test_a_model_survives_the_export_to_pt2(line, tmp_path):
    model = build(line).eval()
    batch = images(3, (1, 8, 8))
    rows = torch.export.Dim("rows", min=1)
    exported = torch.export.export(model, (batch,), dynamic_shapes=({0: rows},))
    torch.export.save(exported, tmp_path / "model.pt2")
    loaded = torch.export.load(tmp_path / "model.pt2").module()
    for count in (1, 3, 7):
        batch = images(count, (1, 8, 8))
        torch.testing.assert_close(loaded(batch), model(batch))


def test_the_linear_model_starts_at_zero_and_has_one_weight_image_a_class():
    model = build("model=linear", image_shape=(3, 16, 12), num_classes=7)
    [weights] = [p for p in model.parameters() if p.ndim == 2]
    assert weights.shape == (7, 3 * 16 * 12)
    assert sum(p.numel() for p in model.parameters()) == 7 * 3 * 16 * 12 + 7
    assert not any(p.any() for p in model.parameters())


def test_the_dense_network_has_the_layers_asked_for():
    model = build("model=dnn model.hidden_sizes=[16,8,4]", image_shape=(3, 16, 12))
    shapes = [tuple(p.shape) for p in model.parameters() if p.ndim == 2]
    assert shapes == [(16, prod((3, 16, 12))), (8, 16), (4, 8), (10, 4)]


def test_glorot_weights_fill_their_range_and_biases_start_at_zero():
    model = build("model=dnn model.hidden_sizes=[100,100] model.init=glorot")
    weights = [p for p in model.parameters() if p.ndim == 2]
    for weight in weights:
        bound = (6 / sum(weight.shape)) ** 0.5
        assert 0.98 * bound < weight.abs().max() <= bound
    assert not any(p.any() for p in model.parameters() if p.ndim == 1)
