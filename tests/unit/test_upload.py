import pytest

from schemas.upload import UndecodableEventError, decode_upload

EVENT = {"bucket": "in", "name": "a.yaml", "generation": "7", "timeCreated": "2026-01-02T03:04:05Z"}


@pytest.mark.parametrize("generation", ["7", 7])
def test_an_event_is_read_whether_its_integers_are_strings_or_not(generation: object) -> None:
    assert decode_upload(EVENT | {"generation": generation}).generation == 7


def test_of_the_metadata_only_ours_is_kept_so_that_the_ledger_can_hold_it() -> None:
    given = {"__x__": "1", "": "2", "a" * 1600: "3", "Dropfold-Seed": "4", "dropfold-" + "x" * 1600: "5"}
    metadata = decode_upload(EVENT | {"metadata": given}).metadata
    assert {key[:13]: value for key, value in metadata.items()} == {
        "Dropfold-Seed": "4",
        "dropfold-xxxx": "5",
    }
    assert all(len(key) <= 100 for key in metadata)


def test_any_number_of_other_people_s_keys_is_no_reason_to_refuse() -> None:
    assert decode_upload(EVENT | {"metadata": {str(number): "" for number in range(1000)}}).metadata == {}


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 2**63},
        {"generation": 10**5000},
        {"generation": -1},
        {"size": 10**30},
        {"name": ""},
        {"name": "x" * 1025},
        {"timeCreated": "0001-01-01T00:00:00+23:59"},
        {"timeCreated": 1e300},
        {"timeCreated": "yesterday"},
    ],
)
def test_what_is_no_object_is_said_to_be_none(change: dict[str, object]) -> None:
    with pytest.raises(UndecodableEventError):
        decode_upload(EVENT | change)
