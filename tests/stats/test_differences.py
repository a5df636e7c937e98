"""Tests and intervals of differences against scipy and statsmodels, and by simulation."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep

from docs.record.error_rates import (
    Shape,
    draw,
    promotions,
    seeds_errors,
    splits_errors,
    worst_error,
)
from src.stats.differences import (
    Discordance,
    discordance,
    fisher_exact,
    holm,
    images_needed,
    mcnemar_exact,
    newcombe_interval,
    paired_bootstrap,
)
from src.stats.intervals import t_interval, wilson_interval
from src.stats.seeds import (
    FEW_SEEDS,
    mean_interval,
    seeds_difference,
    seeds_needed,
    splits_difference,
)

REPEATS = 2000
"""Simulations; the share of a 95 % interval then has a standard error of 0.5 points."""


def test_disagreements_are_counted_by_who_is_right():
    first = np.array([True, True, False, False, True])
    second = np.array([True, False, True, False, False])
    assert discordance(first, second) == Discordance(only_first=2, only_second=1, images=5)
    assert discordance(first, second).difference == pytest.approx(0.2)


def test_rows_of_different_length_are_refused():
    with pytest.raises(ValueError, match=r"\(3,\), \(2,\)"):
        discordance(np.ones(3, dtype=bool), np.ones(2, dtype=bool))


@pytest.mark.parametrize(("b", "c"), [(0, 0), (5, 5), (3, 12), (12, 3), (0, 7), (610, 12)])
def test_mcnemar_equals_statsmodels_and_the_binomial_test(b, c):
    found = mcnemar_exact(Discordance(b, c, 10_000))
    assert found == pytest.approx(
        mcnemar([[9000, b], [c, 100]], exact=True).pvalue, rel=1e-9, abs=0
    )
    if b + c:
        assert found == pytest.approx(stats.binomtest(b, b + c).pvalue, rel=1e-9, abs=0)


def test_the_bootstrap_equals_resampling_images_one_by_one():
    rng = np.random.default_rng(5)
    first, second = rng.random(400) < 0.9, rng.random(400) < 0.85
    expected = stats.bootstrap(
        (first, second),
        lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=10_000,
        rng=1,
    ).confidence_interval
    found = paired_bootstrap(discordance(first, second))
    assert found == pytest.approx((expected.low, expected.high), abs=2.6e-3)


def test_the_bootstrap_is_the_same_each_time_and_knows_that_silence_is_not_certainty():
    counts = Discordance(30, 10, 1000)
    assert paired_bootstrap(counts) == paired_bootstrap(counts)
    low, high = paired_bootstrap(Discordance(0, 0, 1000))
    expected = stats.binomtest(0, 1000).proportion_ci(0.95, method="exact").high
    assert (low, high) == pytest.approx((-expected, expected))


@pytest.mark.parametrize(
    ("first", "second"), [((9680, 10_000), (9200, 10_000)), ((7, 10), (3, 12)), ((5, 5), (0, 4))]
)
def test_newcombe_and_fisher_equal_statsmodels_and_scipy(first, second):
    expected = confint_proportions_2indep(*first, *second, compare="diff", method="newcomb")
    assert newcombe_interval(first, second) == pytest.approx(expected)
    table = [[first[0], first[1] - first[0]], [second[0], second[1] - second[0]]]
    assert fisher_exact(first, second) == pytest.approx(stats.fisher_exact(table).pvalue)


@pytest.mark.parametrize("p_values", [[0.01, 0.04, 0.03], [0.5], [0.9, 0.8, 1e-9, 0.02, 0.02]])
def test_holm_equals_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_seeds_alone_make_welchs_test():
    """On so many images that they bring no variance, the comparison is Welch's t-test."""
    rates = ([0.95, 0.96, 0.955], [0.94, 0.947, 0.941, 0.95])
    images = 1_000_000
    first, second = (
        np.array([np.arange(images) < rate * images for rate in some]) for some in rates
    )
    found = seeds_difference(first, second, paired=False)
    expected = stats.ttest_ind(*rates, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert found.p_value == pytest.approx(expected.pvalue, rel=0.01)
    assert found.interval() == pytest.approx((interval.low, interval.high), abs=1e-4)


def test_one_run_of_each_says_nothing_of_configurations():
    one = np.ones((1, 50), dtype=bool)
    with pytest.raises(ValueError, match=r"\(1, 1\)"):
        seeds_difference(one, one, paired=True)


def test_configurations_that_never_differ_are_equal():
    same = np.ones((3, 50), dtype=bool)
    assert seeds_difference(same, same, paired=True).p_value == 1.0


def test_so_many_images_find_a_difference_as_often_as_promised():
    rng = np.random.default_rng(3)
    counts = Discordance(60, 40, 1000)
    needed = images_needed(counts)
    assert needed is not None
    draws = rng.multinomial(needed, [0.06, 0.04, 0.9], size=REPEATS)
    found = [mcnemar_exact(Discordance(int(b), int(c), needed)) < 0.05 for b, c, _ in draws]
    assert np.mean(found) == pytest.approx(0.8, abs=0.04)
    assert images_needed(Discordance(5, 5, 1000)) is None


def test_mcnemar_finds_no_difference_where_there_is_none():
    """The exact test keeps its level: at most 5 % of equal pairs are called different."""
    rng = np.random.default_rng(4)
    draws = rng.multinomial(10_000, [0.02, 0.02, 0.96], size=REPEATS)
    called = [mcnemar_exact(Discordance(int(b), int(c), 10_000)) < 0.05 for b, c, _ in draws]
    assert 0.025 < np.mean(called) < 0.06


def test_the_bootstrap_interval_covers_the_difference():
    rng = np.random.default_rng(5)
    shares, images = [0.05, 0.02, 0.93], 5000
    hits = 0
    for b, c, _ in rng.multinomial(images, shares, size=REPEATS // 4):
        counts = Discordance(int(b), int(c), images)
        low, high = paired_bootstrap(counts, resamples=1000)
        hits += low <= 0.03 <= high
    assert hits / (REPEATS // 4) == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(("share", "images"), [(0.97, 10_000), (0.9, 100)])
def test_the_wilson_interval_covers_the_share(share, images):
    correct = np.random.default_rng(6).binomial(images, share, size=REPEATS)
    ends = np.array([wilson_interval(int(c), images) for c in correct])
    covered = (ends[:, 0] <= share) & (share <= ends[:, 1])
    assert covered.mean() == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("seeds", [2, 5])
def test_the_t_interval_covers_the_mean(seeds):
    values = np.random.default_rng(7).normal(0.95, 0.003, size=(REPEATS, seeds))
    ends = np.array([t_interval(row) for row in values])
    covered = (ends[:, 0] <= 0.95) & (ends[:, 1] >= 0.95)
    assert covered.mean() == pytest.approx(0.95, abs=0.02)


def test_equal_configurations_are_seldom_called_different():
    """Also where one of them was trained once: its seeds vary as well."""
    pairs = ((2, 2), (5, 5), (2, 1), (3, 1), (5, 1), (2, 20), (3, 20))
    found = seeds_errors(Shape(1_000, 0.95, 0.01), 500, pairs)
    assert max(found.called.values()) < 0.085
    assert min(found.means.values()) > 0.92
    assert found.holm < 0.08


def test_two_seeds_are_trusted_less_where_all_depends_on_them():
    """With so many images the seeds alone decide: two of one are far too few to go by as known."""
    found = seeds_errors(Shape(4_000, 0.97, 0.008), 300, ((2, 1), (2, 2)))
    assert max(found.called.values()) < 0.09
    assert found.means[2] > 0.93


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 8])
def test_the_factors_hold_the_level_at_the_worst_ratio_and_no_more_than_that(freedom):
    raised = worst_error(freedom, FEW_SEEDS.get(freedom, 1.0))
    assert 0.045 < raised < 0.06
    assert freedom > 3 or worst_error(freedom, 1.0) > 0.06


def test_splits_equal_nadeau_and_bengios_formula_by_hand():
    first, second = [0.95, 0.97, 0.96, 0.94, 0.98], [0.94, 0.95, 0.95, 0.94, 0.95]
    found = splits_difference(first, second, ratio=0.25)
    # differences 0.01 0.02 0.01 0 0.03: mean 0.014, s^2 0.00013; t = 0.014 / sqrt(s^2 0.45)
    assert found.difference == pytest.approx(0.014)
    assert found.error == pytest.approx((0.00013 * 0.45) ** 0.5)
    assert found.p_value == pytest.approx(2 * stats.t.sf(0.014 / (0.00013 * 0.45) ** 0.5, 4))
    alone = splits_difference(first, second, ratio=0.0)
    assert alone.p_value == pytest.approx(stats.ttest_rel(first, second).pvalue)
    with pytest.raises(ValueError, match=r"\(1,\)"):
        splits_difference([0.9], [0.8], ratio=0.25)


def test_splits_of_the_same_rows_are_not_taken_for_independent():
    plain, corrected = splits_errors(500, 0.2, 5, 600)
    assert corrected < 0.065 < 0.08 < plain


def test_ten_challengers_are_together_as_seldom_promoted_as_one():
    each, spent = promotions(Shape(1_000, 0.95, 0.0), 300)
    assert spent < 0.06 < each


@pytest.mark.parametrize("images", [359, 5_000])
def test_a_difference_is_called_where_its_interval_leaves_0_out(images):
    rng = np.random.default_rng(12)
    for _ in range(100):
        found = seeds_difference(*draw(rng, Shape(images, 0.9, 0.02), (2, 3)), paired=True)
        low, high = found.interval()
        assert (found.p_value < 0.05) == (not low <= 0 <= high)


def test_an_interval_stays_within_what_there_is():
    rng = np.random.default_rng(10)
    low, high = mean_interval(rng.random((2, 359)) < np.array([[0.9], [0.58]]))
    assert 0 <= low < 0.74 < high <= 1
    far = seeds_difference(
        rng.random((2, 359)) < 0.97, rng.random((2, 359)) < np.array([[0.9], [0.5]]), paired=True
    )
    assert -1 <= far.interval()[0] <= far.interval()[1] <= 1


def test_so_many_seeds_decide_as_often_as_promised():
    shape, rng = Shape(5_000, 0.97, 0.003), np.random.default_rng(11)
    first, second = draw(rng, shape, (4, 4))
    seen = replace(
        seeds_difference(first, second, paired=True), difference=0.004, images=4e-7, seeds=4.5e-6
    )
    number, images = seeds_needed(seen, [4, 4])
    assert images is None
    gaps = rng.normal(0.004, (4e-7 + 2 * 9e-6 / number) ** 0.5, size=REPEATS)
    error = (4e-7 + 2 * 9e-6 / number) ** 0.5
    assert np.mean(np.abs(gaps) / error > 1.96) == pytest.approx(0.8, abs=0.05)
    assert seeds_needed(replace(seen, images=1e-4), [4, 4])[0] is None


def test_more_seeds_or_surer_images_make_a_narrower_interval():
    rng = np.random.default_rng(9)
    few, many = (rng.random((n, 400)) < 0.9 for n in (2, 8))
    other = rng.random((8, 400)) < 0.8

    def width(right):
        low, high = seeds_difference(right, other, paired=True).interval()
        return high - low

    assert width(many) < width(few)
