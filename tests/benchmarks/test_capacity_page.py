from pathlib import Path

import pytest

from benchmarks.capacity import advice, claims, experiments, page, plots
from benchmarks.capacity.experiments import Results

# These break when the model, its figures, or a setting of the product changed: run
# `python -m benchmarks.capacity`; add `--page` where only the page's words or the plots' looks changed.


@pytest.fixture(scope="module")
def results() -> Results:
    return experiments.read()


def test_the_page_is_what_the_results_say(results: Results) -> None:
    assert page.PAGE.read_text() == page.text(results)


def test_the_plots_are_what_the_results_say(results: Results, tmp_path: Path) -> None:
    plots.save(results, tmp_path)
    drawn = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert drawn == {path.name: path.read_bytes() for path in page.PAGE.parent.glob("capacity-*.svg")}


def test_every_plot_is_on_the_page(results: Results) -> None:
    assert all(f"]({name})" in page.text(results) for name in plots.draw(results))


@pytest.mark.parametrize(
    "architecture",
    [experiments.RUNTIME, experiments.MIN_0_MANY, experiments.ONE_PER_FILE, experiments.WARM],
)
def test_the_results_are_what_the_model_gives(results: Results, architecture: str) -> None:
    users, weeks, gpus = experiments.LOADS[1] if architecture == experiments.WARM else experiments.LOADS[0]
    kept = next(
        case
        for case in results.cases
        if (case.architecture, case.users, case.gpus) == (architecture, users, gpus)
    )
    again = experiments.case(architecture, users, weeks, gpus)
    assert again.outcome.ends == kept.outcome.ends
    assert again.outcome.p95_seconds == pytest.approx(kept.outcome.p95_seconds)
    assert again.cost == pytest.approx(kept.cost)


def test_the_curves_of_a_batch_are_what_the_model_gives(results: Results) -> None:
    assert experiments.batches() == results.batches


@pytest.mark.parametrize("setting", experiments.SWEPT)
def test_the_settings_are_what_the_model_gives(results: Results, setting: str) -> None:
    users, weeks = experiments.SWEPT_LOADS[0]
    kept = advice.swept(results, setting, users)[2]
    assert experiments.point(users, weeks, setting, kept.value).model_dump() == pytest.approx(
        kept.model_dump()
    )


def test_every_claim_has_a_verdict(results: Results) -> None:
    assert len(claims.claims(results)) == 7
    assert all(all(row) for row in claims.claims(results))
