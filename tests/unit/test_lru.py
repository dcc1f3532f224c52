from functions.lru import Recent


def test_the_newest_keys_are_remembered_and_older_ones_forgotten() -> None:
    recent = Recent(2)
    for key in ("a", "b", "b", "c"):
        recent.add(key)
    assert [key in recent for key in "abc"] == [False, True, True]
