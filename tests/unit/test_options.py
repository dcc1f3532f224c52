import pytest

from schemas.failure import Failure
from schemas.options import Options, RequestedOptions, read_metadata


def asked(metadata: dict[str, str]) -> RequestedOptions:
    result = read_metadata(metadata, Options())
    assert isinstance(result, RequestedOptions)
    return result


def refused(metadata: dict[str, str]) -> tuple[Failure, ...]:
    result = read_metadata(metadata, Options())
    assert isinstance(result, tuple)
    return result


def test_no_metadata_asks_for_the_defaults() -> None:
    assert asked({}) == RequestedOptions(options=Options(), batch=None)


def test_metadata_of_other_people_is_left_alone() -> None:
    assert asked({"owner": "me", "goog-reserved-file-mtime": "1"}).options == Options()


def test_options_are_read_whatever_the_case_of_the_header() -> None:
    metadata = {"Dropfold-Samples": "5", "dropfold-recycling-steps": "1", "DROPFOLD-POTENTIALS": "true"}
    options = asked(metadata).options
    assert (options.samples, options.recycling_steps, options.potentials) == (5, 1, True)


@pytest.mark.parametrize(
    ("value", "potentials"), [("true", True), ("false", False), ("1", True), ("auto", None), ("Auto", None)]
)
def test_potentials_can_be_left_to_the_worker(value: str, potentials: bool | None) -> None:
    assert asked({"dropfold-potentials": value}).options.potentials is potentials


@pytest.mark.parametrize(
    ("defaults", "asks", "potentials"),
    [
        (Options(), {}, None),
        (Options(potentials=False), {}, False),
        (Options(potentials=False), {"dropfold-potentials": "auto"}, None),
        (Options.model_validate_json('{"potentials": true}'), {}, True),
        (Options.model_validate_json('{"potentials": "auto"}'), {}, None),
    ],
)
def test_a_deployment_s_default_can_be_left_open_too(
    defaults: Options, asks: dict[str, str], potentials: bool | None
) -> None:
    result = read_metadata(asks, defaults)
    assert isinstance(result, RequestedOptions)
    assert result.options.potentials is potentials


def test_the_batch_can_be_named() -> None:
    assert asked({"dropfold-batch": "lunch"}).batch == "lunch"


def test_a_fresh_result_can_be_asked_for_and_is_no_option_of_the_model() -> None:
    request = asked({"dropfold-fresh": "true"})
    assert (request.fresh, request.options) == (True, Options())
    assert not asked({"dropfold-fresh": "false"}).fresh


def test_the_deployment_s_defaults_hold_for_what_is_not_asked() -> None:
    result = read_metadata({"dropfold-samples": "2"}, Options(sampling_steps=20))
    assert isinstance(result, RequestedOptions)
    assert (result.options.sampling_steps, result.options.samples) == (20, 2)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("samples", "0"),
        ("samples", "26"),
        ("samples", "many"),
        ("seed", "-1"),
        ("seed", "4294967296"),
        ("sampling-steps", "1e9"),
        ("potentials", "perhaps"),
        ("fresh", "perhaps"),
        ("fresh", ""),
        ("output-format", "xyz"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(key: str, value: str) -> None:
    [failure] = refused({f"dropfold-{key}": value})
    assert failure.field == f"metadata.dropfold-{key}"
    assert failure.value == value


def test_an_unknown_option_is_refused_with_the_nearest_known_one() -> None:
    [failure] = refused({"dropfold-sample": "5"})
    assert "dropfold-samples?" in failure.remedy


def test_several_errors_are_reported_together() -> None:
    fields = [failure.field for failure in refused({"dropfold-samples": "0", "dropfold-seed": "x"})]
    assert fields == ["metadata.dropfold-samples", "metadata.dropfold-seed"]


def test_a_huge_value_is_shortened() -> None:
    [failure] = refused({"dropfold-seed": "9" * 5000})
    assert len(failure.value or "") <= 200
