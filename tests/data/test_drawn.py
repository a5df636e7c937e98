"""Digits drawn by program: in MNIST's form, of every kind, and worth training on."""

from itertools import islice

import numpy as np
import pytest
from scipy import ndimage
from sklearn.neighbors import KNeighborsClassifier

from src.data.drawn import FORMS, draw_digits
from src.data.mnist import Mnist
from src.pictures.form import measure_form, mnist_form
from src.pictures.preparation import prepare
from src.pictures.reading import picture_from_array
from tests.benchmarks.unusual_forms import drawn

EACH = 40


@pytest.fixture(scope="module")
def digits():
    return draw_digits(EACH * len(FORMS))


def test_they_are_framed_as_mnists_images_are(digits):
    measured = measure_form(digits.pixels, digits.labels, num_classes=10)
    mnist = Mnist(rows=2_000, validation_size=500).load().measured_form
    assert (measured.paper, measured.ink, measured.by_mass) == (0, 255, True)
    assert measured.longer == pytest.approx(mnist.longer, abs=0.5)
    assert measured.centre == pytest.approx(mnist.centre, abs=0.5)
    assert measured.digits == (1,) * 10
    weights = digits.pixels.sum(axis=(1, 2, 3)) / 255
    assert 15 < weights.min() < 50 < weights.max() < 300  # thin and thick pens


def test_there_are_as_many_of_each_form_and_no_two_alike(digits):
    forms = np.bincount([form.digit for form in FORMS])
    assert len(forms) == 10
    assert forms.argmax() == 1
    assert np.bincount(digits.labels).tolist() == (EACH * forms).tolist()
    assert len(np.unique(digits.pixels, axis=0)) == len(digits)
    assert len(draw_digits(10)) == 10
    assert np.array_equal(draw_digits(30).pixels, draw_digits(30).pixels)


def test_a_digit_has_the_holes_it_should_have(digits):
    """0, 6 and 9 have one hole, 8 two, an open 4 none; a stroke too short or thick may differ."""

    def holes(image):
        _, number = ndimage.label(np.pad(image, 1) < 128)
        return number - 1

    usual = [
        int(np.median([holes(image[0]) for image in digits.pixels[k : k + EACH]]))
        for k in range(0, len(digits), EACH)
    ]
    of_digit = {digit: [] for digit in range(10)}
    for form, number in zip(FORMS, usual, strict=True):
        of_digit[form.digit].append(number)
    assert [of_digit[digit] for digit in (0, 6, 8)] == [[1], [1], [2]]
    assert of_digit[9] == [1, 1]
    assert [of_digit[digit] for digit in (2, 3, 5)] == [[0], [0], [0]]
    assert of_digit[1] == [0] * 4
    assert of_digit[4] == [1, 1, 0]


def test_they_are_trained_on_and_never_validate():
    plain = Mnist(rows=500, validation_size=100).load()
    more = Mnist(rows=500, validation_size=100, drawn=70).load()
    assert (len(plain.train), len(more.train)) == (400, 470)
    assert np.array_equal(more.train.pixels[:400], plain.train.pixels)
    assert np.array_equal(more.validation.pixels, plain.validation.pixels)
    assert more.split_digest == plain.split_digest  # so that runs can be compared
    assert more.notes == ("70 of the training images are digits drawn by program",)
    assert plain.notes == ()


def test_who_has_seen_them_reads_such_forms_drawn_otherwise():
    """The nearest of 3,000 images of MNIST is wrong more often than of these and drawn ones."""
    form, train = mnist_form(28, 28), Mnist(rows=3_500, validation_size=500, drawn=500).load().train
    names = ("a 1 with a flag", "a 1 with flag and foot", "a crossed 7")
    pictures = [pair for name in names for pair in islice(drawn(name), 30)]
    prepared = [prepare(picture_from_array(picture), form).pixels for picture, _ in pictures]
    labels = [int(label) for _, label in pictures]

    def wrong(rows):
        known = KNeighborsClassifier(1).fit(train.pixels[rows].reshape(-1, 784), train.labels[rows])
        return np.sum(known.predict(np.reshape(prepared, (-1, 784))) != labels)

    assert wrong(slice(None)) < 0.6 * wrong(slice(3_000))
