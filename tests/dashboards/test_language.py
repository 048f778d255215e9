import re
from datetime import date

import pytest

from dashboards.language import LANGUAGES, answer, choose, observed, rule, words

EFFECT = {"relative": 0.08, "relative_lower": -0.42, "relative_upper": 1.02, "level": 0.93, "is_conclusive": True}


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_says_the_same_things(code):
    own, english = words(code).texts, words("en").texts
    assert own.keys() == english.keys()
    for key, text in english.items():
        assert isinstance(own[key], str) and own[key].strip(), key
        assert set(re.findall(r"{(\w+)}", own[key])) == set(re.findall(r"{(\w+)}", text)), key


def test_numbers_as_their_readers_write_them():
    assert words("en").number(1187251) == "1,187,251"
    assert words("es").number(1187251.5, 1) == "1.187.251,5"
    assert words("fr").number(-1234.5, 1) == "\N{MINUS SIGN}1\N{NARROW NO-BREAK SPACE}234,5"
    assert words("en").number(float("inf")) == "∞"


def test_a_figure_that_rounds_to_zero_has_no_sign():
    assert words("en").percent(-0.001, signed=True) == "0%"
    assert words("en").percent(0.0, signed=True) == "0%"


def test_days_and_lists():
    assert words("en").day(date(2026, 11, 21)) == "21 November 2026"
    assert words("es").day(date(2026, 11, 21)) == "21 de noviembre de 2026"
    assert words("fr").join(["a", "b", "c"]) == "a, b et c"
    assert words("en").join([]) == ""


def test_an_unknown_language_is_english():
    assert words("xx").language == "en"


def test_pilot_texts_fall_back_to_english():
    assert choose({"en": "hello", "fr": "bonjour"}, "fr") == ("bonjour", "fr")
    assert choose({"en": "hello"}, "fr") == ("hello", "en")
    assert choose({"mi": "kia ora"}, "fr") == ("kia ora", "mi")


def test_what_sensors_read_has_its_unit_in_every_language() -> None:
    document = {"observed": {"observed_property": "pm25", "unit": "ug/m3", "day": "mean"}}
    assert [observed(document, words(code)) for code in LANGUAGES] == [
        ("Fine particles (PM2.5)", "µg/m³", "fact_mean_day"),
        ("Particules fines (PM2,5)", "µg/m³", "fact_mean_day"),
        ("Partículas finas (PM2,5)", "µg/m³", "fact_mean_day"),
    ]
    assert observed({"observed": None}, words("en")) is observed({}, words("en")) is None


def test_rendered_sensors_are_called_so_in_every_language() -> None:
    sources = [{"name": "network:street?seed=1&days=28"}]
    document = {"answer": "Yes.", "verdict": "succeeded", "effect": EFFECT, "uptime": 0.9, "sources": sources}
    assert "simulés" in answer(document, words("fr"))[0]
    assert "simulés" not in answer({**document, "sources": []}, words("fr"))[0]


def test_the_answer_is_the_runs_own_in_english():
    document = {"answer": "We cannot tell.", "verdict": "inconclusive", "effect": EFFECT, "uptime": None}
    assert answer(document, words("en")) == ("We cannot tell.", "en")


def test_the_answer_says_the_same_figures_in_french():
    document = {"answer": "We cannot tell.", "verdict": "inconclusive", "effect": EFFECT, "uptime": None}
    text, code = answer(document, words("fr"))
    assert code == "fr"
    for figure in ("+8", "\N{MINUS SIGN}42", "+102", "93"):
        assert figure in text


def test_an_answer_without_a_known_form_stays_as_the_run_worded_it():
    undecided = {**EFFECT, "is_conclusive": False}
    for effect, verdict in ((undecided, "inconclusive"), (None, "stopped"), (None, "not measured")):
        document = {"answer": "Own words.", "verdict": verdict, "effect": effect, "uptime": None}
        assert answer(document, words("fr")) == ("Own words.", "en")


def test_the_rule_in_words():
    assert rule({"relative_effect_below": -0.2}, "own", words("en"))[0].endswith("is below \N{MINUS SIGN}20%")
    assert rule({"relative_effect_above": None, "uptime_above": 0.95}, "own", words("en"))[0].endswith("95% of the time")
    assert rule({}, "own", words("fr")) == ("own", "en")
