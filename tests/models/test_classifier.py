"""The one LightningModule: its losses, penalties and steps, against formulas worked by hand."""

import math

import pytest
import torch
import torch.nn.functional as F

from src.data.module import to_tensors
from src.errors import ConfigError
from src.models.classifier import cross_entropy, log_probabilities, one_vs_rest
from src.models.probabilities import scale
from src.training.device import fastest_precision
from src.training.fit import build_classifier, minibatches
from tests.plans import QUICK, dataset_of, fit_of, plan_of

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [-3.0, -2.0, -4.0], [30.0, -30.0, 0.0]])
LABELS = torch.tensor([0, 2, 1])


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize("loss", ["softmax", "one_vs_rest"])
def test_probabilities_are_finite_and_sum_to_one(loss):
    logs = log_probabilities(torch.randn(50, 7) * 40, loss)
    assert logs.isfinite().all()
    torch.testing.assert_close(logs.exp().sum(dim=1), torch.ones(50))


def test_one_vs_rest_divides_each_yes_by_the_sum_of_all():
    probabilities = log_probabilities(LOGITS, "one_vs_rest").exp()
    for row, logits in zip(probabilities.tolist(), LOGITS.tolist(), strict=True):
        yes = [sigmoid(x) for x in logits]
        assert row == pytest.approx([y / sum(yes) for y in yes], rel=1e-4)


def test_one_vs_rest_sums_the_losses_of_the_yes_or_no_classifiers():
    by_hand = 0.0
    for logits, label in zip(LOGITS[:2].tolist(), LABELS[:2].tolist(), strict=True):
        for number, x in enumerate(logits):
            by_hand -= math.log(sigmoid(x) if number == label else 1 - sigmoid(x))
    assert float(one_vs_rest(LOGITS[:2], LABELS[:2], smoothing=0.0)) == pytest.approx(by_hand / 2)


def test_label_smoothing_spreads_its_share_over_all_classes():
    targets = torch.full((3, 3), 0.1) + 0.7 * F.one_hot(LABELS, 3)
    softmax = -(targets * F.log_softmax(LOGITS, dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(cross_entropy(LOGITS, LABELS, smoothing=0.3), softmax)
    no, yes = F.logsigmoid(-LOGITS), F.logsigmoid(LOGITS)
    separate = -(targets * yes + (1 - targets) * no).sum(dim=1).mean()
    torch.testing.assert_close(one_vs_rest(LOGITS, LABELS, smoothing=0.3), separate)


STEP = (
    *QUICK,
    "model.hidden_sizes=[8]",
    "optimizer=sgd",
    "optimizer.momentum=0",
    "scheduler=constant",
    "trainer.max_epochs=1",
    "trainer.batch_size=64",
)
"""One epoch of plain gradient descent; of 64 images it is one step, worked by hand below."""


@pytest.mark.parametrize("loss", ["softmax", "one_vs_rest"])
def test_a_step_goes_down_loss_and_penalties_of_weights_and_only_loss_of_biases(tmp_path, loss):
    lr, l1, l2 = 0.5, 0.01, 0.02
    line = [f"optimizer.lr={lr}", f"regularization.l1={l1}", f"regularization.l2={l2}"]
    plan = plan_of(*STEP, *line, "regularization.dropout=0", f"model.loss={loss}")
    dataset = dataset_of(plan, train_images=64)
    model = build_classifier(plan, dataset).model  # the same seed: the same first weights
    pixels, labels = to_tensors(dataset.train)
    function = F.cross_entropy if loss == "softmax" else lambda x, y: one_vs_rest(x, y, smoothing=0)
    function(model(scale(pixels)), labels).backward()
    stepped = dict(fit_of(plan, dataset, tmp_path).classifier.model.named_parameters())
    for name, before in model.named_parameters():
        gradient = before.grad
        if name.endswith("weight"):
            gradient = gradient + l1 * before.sign() + 2 * l2 * before
        expected = before - lr * gradient
        torch.testing.assert_close(stepped[name].detach(), expected.detach(), rtol=1e-4, atol=1e-6)
        assert not torch.equal(stepped[name].detach(), before.detach())


@pytest.mark.parametrize("model", ["linear", "dnn"])
@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd", "adagrad"])
def test_weight_decay_covers_weights_and_neither_biases_nor_norms(model, optimizer):
    line = [f"model={model}", f"optimizer={optimizer}"]
    line += ["model.batch_norm=true"] if model == "dnn" else []
    line += ["optimizer.weight_decay=0.3"] if optimizer in {"adamw", "sgd"} else []
    plan = plan_of(*QUICK, *line)
    classifier = build_classifier(plan, dataset_of(plan))
    [built], _ = classifier.configure_optimizers()
    covered, exempt = built.param_groups
    by_id = {id(p): name for name, p in classifier.model.named_parameters()}
    assert {by_id.pop(id(p)) for p in covered["params"]} == {
        name for name, p in classifier.model.named_parameters() if p.ndim == 2
    }
    assert {by_id.pop(id(p)) for p in exempt["params"]}
    assert not by_id  # every parameter is trained
    assert exempt["weight_decay"] == 0
    assert covered["weight_decay"] == (0.3 if optimizer in {"adamw", "sgd"} else 0)


SHORT = (*QUICK, "trainer.max_epochs=3", "trainer.batch_size=64", "model.hidden_sizes=[32]")


def weights_after(folder, *line, seed=1):
    folder.mkdir()
    plan = plan_of(*SHORT, *line, f"seed={seed}")
    return fit_of(plan, dataset_of(plan), folder).classifier


@pytest.mark.parametrize(
    ("at_once", "precision"), [(5, "float32"), (22, "bfloat16"), (1000, "float32")]
)
def test_minibatches_taken_at_once_give_the_same_weights_bit_for_bit(tmp_path, at_once, precision):
    """In bfloat16 too: autocast must not go on with the rounded weights of an earlier step."""
    line = ["regularization.dropout=0.3", "regularization.augmentation=0.5"]
    line += [f"trainer.precision={precision}"]
    one = weights_after(tmp_path / "one", *line, "trainer.steps_per_execution=1")
    many = weights_after(tmp_path / "many", *line, f"trainer.steps_per_execution={at_once}")
    for name, value in one.state_dict().items():
        assert torch.equal(value, many.state_dict()[name]), name
    assert one.steps == many.steps == 3 * (1079 // 64)
    for before, after in zip(one.history, many.history, strict=True):
        assert before["val_loss"] == after["val_loss"]
        assert before["train_accuracy"] == after["train_accuracy"]
        assert before["train_loss"] == pytest.approx(after["train_loss"], rel=1e-5)


def test_bfloat16_rounds_what_the_layers_multiply_and_nothing_that_is_kept(tmp_path):
    exact = weights_after(tmp_path / "float32")
    rounded = weights_after(tmp_path / "bfloat16", "trainer.precision=bfloat16")
    for name, value in rounded.state_dict().items():
        assert value.dtype == torch.float32
        assert not torch.equal(value, exact.state_dict()[name])
    for one, other in zip(exact.history, rounded.history, strict=True):
        assert other["train_loss"] == pytest.approx(one["train_loss"], rel=0.02)
        assert other["train_loss"] != one["train_loss"]
        assert other["val_accuracy"] == pytest.approx(one["val_accuracy"], abs=0.02)
    predictions = rounded.model(scale(to_tensors(dataset_of(plan_of(*SHORT)).validation)[0]))
    assert predictions.dtype == torch.float32


@pytest.mark.parametrize(
    ("line", "has", "used"),
    [
        ("model.hidden_sizes=[64,512]", True, "bfloat16"),
        ("model.hidden_sizes=[64,512]", False, "float32"),
        ("model.hidden_sizes=[64,64]", True, "float32"),
        ("model=linear", True, "float32"),
    ],
)
def test_auto_rounds_where_the_net_is_wide_and_the_processor_made_for_it(tmp_path, line, has, used):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(f"flags : fpu {'avx512_bf16' * has}\n")
    plan = plan_of(*QUICK, *line.split())
    network = build_classifier(plan, dataset_of(plan)).model
    assert fastest_precision(lambda: network, "cpu", root=tmp_path) == used
    assert fastest_precision(lambda: network, "cuda", root=tmp_path) == "float32"


def test_a_summed_loss_has_gradients_as_many_times_larger_as_there_are_images(tmp_path):
    (tmp_path / "sum").mkdir()
    (tmp_path / "mean").mkdir()
    line = (*STEP, "regularization=none", "optimizer.momentum=0")
    summed = plan_of(*line, "trainer.loss_reduction=sum", "optimizer.lr=0.0078125")
    averaged = plan_of(*line, "optimizer.lr=0.5")  # 64 times as much
    dataset = dataset_of(summed, train_images=64)
    one = fit_of(summed, dataset, tmp_path / "sum").classifier
    other = fit_of(averaged, dataset, tmp_path / "mean").classifier
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[name], rtol=1e-4, atol=1e-6)
    assert one.history[0]["train_loss"] == pytest.approx(other.history[0]["train_loss"])


def test_a_minibatch_larger_than_the_data_is_all_of_the_data():
    plan = plan_of(*SHORT, "trainer.batch_size=5000")
    assert minibatches(plan, dataset_of(plan)) == (1079, 1)


def test_an_epoch_can_be_a_number_of_steps(tmp_path):
    classifier = weights_after(tmp_path / "short", "trainer.steps_per_epoch=5")
    assert classifier.steps == 3 * 5
    plan = plan_of(*SHORT, "trainer.steps_per_epoch=17")
    with pytest.raises(ConfigError, match="1,079 training images are only 16 minibatches of 64"):
        build_classifier(plan, dataset_of(plan))


def test_gradients_are_clipped_to_the_global_norm(tmp_path):
    def norms(folder, *line):
        folder.mkdir()
        plan = plan_of(*SHORT, *line)
        dataset = dataset_of(plan)
        seen = []

        def look():  # before each step: the gradients of the step before are still there
            gradients = [p.grad for p in classifier.model.parameters() if p.grad is not None]
            if gradients:
                seen.append(float(torch.cat([g.flatten() for g in gradients]).norm()))

        from src.training.fit import fit
        from src.training.progress import EpochReporter

        classifier = build_classifier(plan, dataset, before_step=look)
        fit(
            classifier,
            plan,
            dataset,
            folder=folder,
            log_epoch=lambda epoch, metrics: None,
            reporter=EpochReporter(),
            check_stop=lambda: None,
        )
        return seen

    free = norms(tmp_path / "free")
    clipped = norms(tmp_path / "clipped", "trainer.gradient_clip_norm=0.1")
    assert len(free) == len(clipped) > 20
    assert max(free) > 0.2
    assert max(clipped) <= 0.1 * (1 + 1e-5)
    assert sum(norm > 0.0999 for norm in clipped) > 10
