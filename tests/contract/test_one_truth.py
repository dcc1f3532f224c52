"""What is said in several places is the same in all of them."""

import json
import re

from support.plan import ROOT

from functions.folder_page.rows import ORDER
from inputs.read import BoltzInput
from inputs.residues import STANDARD
from inputs.suffixes import SIDECARS
from jobs.lifecycle import TABLE
from local.small_model import COMPONENTS
from schemas.failure import PERMANENT, RETRYABLE, WITHDRAWN, Code
from schemas.job import TERMINAL, State
from schemas.messages import completed_type
from schemas.scores import SCORES
from schemas.stages import Stage


def test_a_state_is_terminal_where_nothing_can_happen() -> None:
    assert {state for state in State if not TABLE[state]} == set(TERMINAL)


def test_a_folder_s_page_has_a_place_for_each_end() -> None:
    assert sorted(ORDER) == sorted(TERMINAL)


def test_each_end_has_an_event() -> None:
    types = {completed_type(state) for state in TERMINAL}
    assert len(types) == len(TERMINAL)
    assert all(re.fullmatch(r"dev\.dropfold\.prediction\.[a-z]+\.v1", each) for each in types)


def test_each_code_is_of_one_class() -> None:
    assert len(PERMANENT) + len(RETRYABLE) + len(WITHDRAWN) == len(Code)


def test_the_grammar_names_each_suffix_that_a_file_may_have() -> None:
    patterns = re.findall(r"\\\\\.(\w+)\$", json.dumps(BoltzInput.model_json_schema()))
    assert {f".{suffix}" for suffix in patterns} == set(SIDECARS)


def test_metrics_of_a_stage_name_one() -> None:
    plan = "".join(path.read_text() for path in (ROOT / "eventarc").glob("*.tf"))
    named = re.findall(r"timings\.(\w+)", plan)
    assert named
    assert set(named) <= set(Stage)


def test_each_score_has_a_name_and_a_label_of_its_own() -> None:
    assert len({score.name for score in SCORES}) == len({score.label for score in SCORES}) == len(SCORES)


def test_the_small_model_has_all_standard_residues() -> None:
    assert set(COMPONENTS) >= STANDARD
