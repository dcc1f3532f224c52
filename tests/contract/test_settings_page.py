from pathlib import Path

from tools import settings_page

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_is_what_the_models_say() -> None:
    # Breaks when a settings model changed: run `make schemas`.
    assert PAGE.read_text() == settings_page.page()


def test_every_setting_says_what_it_is_for() -> None:
    models = settings_page.SETTINGS.values()
    assert [
        (model.__name__, name)
        for model in models
        for name, field in model.model_fields.items()
        if not field.description
    ] == []
