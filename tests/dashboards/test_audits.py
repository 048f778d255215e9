"""What the pages say of an audit: walking and cycling in rows of their own, and no small count given away."""

from __future__ import annotations

import pytest

from dashboards.language import LANGUAGES, words

AUDIT = {
    "status": "audited",
    "reason": "",
    "audit_id": "a1",
    "site_id": "plaza",
    "intervals": 12,
    "errors": [
        {"by": "all", "group": "all", "intervals": 12, "manual": 120.0, "automatic": 110.0, "wape": 12.5, "bias": -8.3},
        {"by": "class", "group": "cyclist", "intervals": 12, "manual": 3.0, "automatic": 2.0, "wape": 33.3, "bias": -33.3},
        {
            "by": "class",
            "group": "pedestrian",
            "intervals": 12,
            "manual": 117.0,
            "automatic": 108.0,
            "wape": 12.0,
            "bias": -7.7,
        },
        {"by": "light", "group": "night", "intervals": 0, "manual": 0.0, "automatic": 0.0, "wape": None, "bias": None},
    ],
}


def page(language: str, audits: list) -> None:
    from types import SimpleNamespace

    from dashboards.audits import show_audits
    from dashboards.language import words

    show_audits(SimpleNamespace(document={"audits": audits}), words(language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_class_has_a_row_and_small_counts_tell_no_error(language):
    from streamlit.testing.v1 import AppTest

    say = words(language)
    app = AppTest.from_function(page, default_timeout=30, args=(language, [AUDIT])).run()
    assert not app.exception
    rows = app.table[0].value.values.tolist()
    assert [row[0] for row in rows] == [
        say("audit_by_all"),
        f"{say('audit_by_class')} {say('audit_cyclist')}",
        f"{say('audit_by_class')} {say('audit_pedestrian')}",
        f"{say('audit_by_light')} {say('audit_night')}",
    ]
    assert rows[0][2:] == [say.percent(0.125), say.percent(-0.083, signed=True)]
    assert rows[1][2:] == rows[3][2:] == [say("audit_no_sample")] * 2  # 3 cyclists: an error would tell how many


def test_a_void_audit_is_said_and_one_that_never_was_is_not_repeated():
    from streamlit.testing.v1 import AppTest

    void = {"status": "not audited", "reason": "the audit a1 is void, since the model changed after it"}
    never = {"status": "not audited", "reason": "nobody has counted this by hand"}
    app = AppTest.from_function(page, default_timeout=30, args=("en", [void, never])).run()
    assert not app.exception
    said = " ".join(str(one.proto) for one in app.main.children.values())
    assert "void, since the model changed" in said and "nobody has counted" not in said
