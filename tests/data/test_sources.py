"""What every data source promises, for every file in conf/data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from tests.data.tables import as_text, digit_rows, write, write_pictures

FILES = sorted((Path(__file__).parents[2] / "conf" / "data").glob("*.yaml"))


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def make(request, tmp_path):
    values = OmegaConf.to_container(OmegaConf.load(request.param))
    if "skip_unreadable" in values:
        values["path"] = write_pictures(tmp_path / "photos")
    elif "path" in values and values["path"] is None:
        values["path"] = write(tmp_path / "digits.csv", as_text(digit_rows()))
    return lambda **changes: instantiate(values | changes, _convert_="all")


def test_there_are_data_sources():
    assert {"mnist_20k", "mnist", "csv", "folder", "digits"} <= {file.stem for file in FILES}


def test_the_file_says_what_it_is_and_every_hyperparameter(make, request):
    import inspect

    file = request.node.callspec.params["make"]
    signature = inspect.signature(type(make()).__init__)
    keys = set(OmegaConf.load(file)) - {"_target_"}
    assert file.read_text().startswith("# ")
    assert keys == set(signature.parameters) - {"self"}


def test_images_and_labels_have_the_promised_form(make):
    source = make()
    dataset, test = source.load(), source.load_test()
    for images in (dataset.train, dataset.validation, test):
        assert images.pixels.dtype == np.uint8
        assert images.labels.dtype == np.int64
        assert images.pixels.ndim == 4
        assert images.pixels.shape[1:] == dataset.train.pixels.shape[1:]
        assert len(images.pixels) == len(images.labels) > 0
        assert images.pixels.flags.writeable
        assert images.labels.min() >= 0
        assert images.labels.max() < len(dataset.class_names)
    assert len(set(dataset.class_names)) == len(dataset.class_names)


def test_no_image_is_in_two_splits(make):
    source = make()
    dataset = source.load()
    train, validation, test = (
        {image.tobytes() for image in images.pixels}
        for images in (dataset.train, dataset.validation, source.load_test())
    )
    assert not train & validation
    assert not train & test
    assert not validation & test


def test_the_same_seed_gives_the_same_images(make):
    one, other = make(split_seed=5).load(), make(split_seed=5).load()
    assert one.split_digest == other.split_digest
    np.testing.assert_array_equal(one.train.pixels, other.train.pixels)
    np.testing.assert_array_equal(one.validation.labels, other.validation.labels)


def test_another_split_seed_splits_the_same_data_in_another_way(make):
    one, other = make(split_seed=5).load(), make(split_seed=6).load()
    assert one.data_digest == other.data_digest
    assert one.split_digest != other.split_digest
    assert not np.array_equal(one.validation.pixels, other.validation.pixels)


def test_the_test_images_are_the_same_on_every_split(make):
    one, other = (make(split_seed=seed).load_test() for seed in (5, 6))
    np.testing.assert_array_equal(one.pixels, other.pixels)


def test_what_a_source_adds_to_its_rows_is_counted(make):
    source = make()
    dataset = source.load()
    pool, _ = source.read_pool()
    tests = 0 if source.check_test() else len(source.load_test())
    rows = len(dataset.train) - dataset.added + len(dataset.validation) + tests
    assert rows == len(pool)


def test_a_pixel_is_used_that_differs_between_training_images(make):
    """Whatever the paper is: black, or white as in a table of dark ink."""
    dataset = make().load()
    pixels = dataset.train.pixels
    white = replace(dataset, train=replace(dataset.train, pixels=255 - pixels))
    expected = (pixels != pixels[:1]).any(axis=(0, 1))
    assert expected.any()
    np.testing.assert_array_equal(dataset.pixels_used, expected)
    np.testing.assert_array_equal(white.pixels_used, expected)


def test_every_row_but_those_of_the_same_test_images_can_be_trained_on(make):
    """As a search's winner is, once it is chosen; the values are checked before."""
    import inspect

    from pydantic import TypeAdapter

    usual, whole = make(), make(validation_size=0)
    declared = inspect.signature(type(whole).__init__).parameters["validation_size"].annotation
    assert TypeAdapter(declared).validate_python(0) == 0
    assert len(whole.load().validation) == 0
    assert len(whole.load().train) == len(usual.load().train) + len(usual.load().validation)
    np.testing.assert_array_equal(whole.load_test().pixels, usual.load_test().pixels)
