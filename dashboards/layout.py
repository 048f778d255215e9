"""What every page is built from: its heading, the switch of languages, and pieces of text as safe HTML.

Texts of pilots and vendors are escaped wherever they stand, and marked with their language where it is not the page's.
"""

from __future__ import annotations

import csv
import hashlib
import html
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from analytics.lake import LakeError
from dashboards import queries
from dashboards.language import FALLBACK, LANGUAGES, SPACE, Words, words
from experiments.settings import SettingsError

FIGURES = ", ".join(
    f'[class*="st-key-figures"][class*="-c{n}-"] :is(th, td):nth-child({n + 1}){inside}'
    for n in range(12)
    for inside in ("", " *")
)
STYLE = """<style>
.stMainBlockContainer {max-width: @WIDTH@; padding-top: 4.5rem; padding-bottom: 4rem}
.stMainBlockContainer h1 {font-size: 2.1rem; line-height: 1.2; letter-spacing: -.01em}
.stMainBlockContainer h2 {font-size: 1.6rem; padding: 1.4rem 0 .55rem}
.stMainBlockContainer h3 {font-size: 1.35rem; padding: 1.4rem 0 .55rem}
.stMainBlockContainer h4 {font-size: 1.05rem; padding: .5rem 0 .35rem}
.stMainBlockContainer .tb-pilot {margin: 0; padding: .4rem 0 0; font-size: 1.75rem; line-height: 1.25}
.stAppDeployButton {display: none}
.stTable {overflow-x: auto} .stTable table {font-variant-numeric: tabular-nums; font-size: .92rem}
.stTable th {font-weight: 600; vertical-align: bottom} .stTable td {vertical-align: top}
.stTable td:first-child {min-width: 5rem} [class*="-roomy-"] td:first-child {min-width: 13rem}
@FIGURES@ {text-align: right !important}
.tb-p {max-width: 46rem; margin: 0 0 .4rem; line-height: 1.55}
.tb-lede {font-size: 1.15rem; max-width: 46rem; line-height: 1.5; margin: 0}
.tb-quiet {opacity: .78; font-size: .92rem}
.tb-answer {border: 1px solid color-mix(in srgb, currentColor 18%, transparent); border-left: .5rem solid var(--tb-tone);
  border-radius: .6rem; padding: 1.1rem 1.4rem 1.2rem; background: color-mix(in srgb, var(--tb-tone) 7%, transparent)}
.tb-answer p {margin: .55rem 0 0; max-width: 50rem}
.tb-answer .tb-say {font-size: 1.4rem; line-height: 1.42; font-weight: 500}
.tb-verdict {display: inline-flex; align-items: center; gap: .5rem; font-weight: 650; font-size: 1rem}
.tb-verdict i {font-style: normal; display: inline-grid; place-items: center; width: 1.6rem; height: 1.6rem; color: #fff;
  background: var(--tb-tone); border-radius: 50%; font-weight: 700}
.tb-facts {display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .7rem; margin: 0;
  padding: 0 !important}
.tb-facts > div {border: 1px solid color-mix(in srgb, currentColor 14%, transparent); border-radius: .6rem;
  padding: .7rem .9rem}
.tb-facts dt {font-size: .85rem; opacity: .8; margin: 0} .tb-facts dd {margin: 0}
.tb-facts .tb-big {font-size: 1.45rem; font-weight: 600; line-height: 1.35; font-variant-numeric: tabular-nums}
.tb-facts .tb-small {font-size: .85rem; opacity: .8}
.tb-cols {display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: .9rem}
.tb-cols > div {border-radius: .6rem; padding: .9rem 1.1rem; background: color-mix(in srgb, currentColor 5%, transparent)}
.tb-cols h4 {margin: 0 0 .3rem; padding: 0; font-size: 1.02rem} .tb-cols p {margin: 0; line-height: 1.5}
.tb-list {margin: 0; padding-left: 1.2rem; max-width: 46rem; line-height: 1.55} .tb-list li {margin: 0 0 .35rem}
.tb-source {font-size: .82rem; opacity: .8; display: grid; grid-template-columns: max-content 1fr; gap: .15rem .9rem; margin: 0;
  padding: 0 !important}
.tb-source dt, .tb-source dd {margin: 0} .tb-source dd {overflow-wrap: anywhere; font-family: "Source Code Pro", monospace}
.tb-band {border-left: 1.1rem solid var(--tb-tone); padding: .3rem 0 .3rem 1rem; box-shadow: inset 1px 0 0 #7f7f7f66}
.tb-band strong {font-size: 1.45rem} .tb-band p {margin: .1rem 0 0}
.tb-bands i {width: 1rem; height: 1rem; border: 1px solid #7f7f7f88}
.tb-legend {display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; font-size: .9rem}
.tb-legend span {display: inline-flex; align-items: center; gap: .45rem}
.tb-treated {width: .9rem; height: .9rem; border-radius: 50%; background: #0072B2}
.tb-control {width: .75rem; height: .75rem; background: #D55E00; transform: rotate(45deg)}
.tb-unused {font-style: normal; font-weight: 700; opacity: .65} .tb-unused::before {content: "✕"}
.st-key-map_narrow {display: none}
@media (max-width: 640px) {
  .st-key-map_wide {display: none} .st-key-map_narrow {display: flex}
  .stMainBlockContainer h1 {font-size: 1.6rem} .tb-answer {padding: .9rem 1rem} .tb-answer .tb-say {font-size: 1.15rem}
  .tb-facts {grid-template-columns: 1fr 1fr} .tb-source {grid-template-columns: 1fr} .tb-source dd {margin-bottom: .3rem}
}
</style>""".replace("@FIGURES@", FIGURES)

WIDTHS = {"pilots": "64rem", "city": "84rem", "vendors": "84rem"}
"""Page -> width of its text and tables at most."""

TONES = {
    "succeeded": ("#00805C", "✓"),
    "not succeeded": ("#C04A00", "✕"),
    "inconclusive": ("#8A6D00", "?"),
    "not measured": ("#5F6770", "\N{EN DASH}"),
    "stopped": ("#8B3A7A", "!"),
}
"""Verdict -> colour and sign; the word stands beside them."""


def language() -> str:
    """The reader's language: chosen here, else named in the address, else the browser's, else English."""
    browser = (st.context.locale or FALLBACK)[:2]
    asked = st.session_state.get("language") or st.query_params.get("lang") or browser
    return asked if asked in LANGUAGES else FALLBACK


def begin(page: str) -> tuple[Words, int]:
    """Head a page and find the lake.

    Args:
        page: The page's name in the keys of the interface.

    Returns:
        The interface in the reader's language and the lake's newest snapshot. Where there is no lake, the page ends here.
    """
    code = language()
    say = words(code)
    st.html(STYLE.replace("@WIDTH@", WIDTHS[page]))
    st.html(f"<script>document.documentElement.lang = '{code}'</script>", unsafe_allow_javascript=True)
    title, switch = st.columns([4, 1], vertical_alignment="center")
    title.title(say(f"{page}_title"), anchor=False)
    key = f"language_{page}"
    switch.selectbox(
        say("language"),
        list(LANGUAGES),
        index=list(LANGUAGES).index(code),
        format_func=LANGUAGES.__getitem__,
        key=key,
        on_change=lambda: st.session_state.update(language=st.session_state[key]),
    )
    text(say(f"{page}_intro"), "tb-lede")
    try:
        snapshot = queries.newest_snapshot()
    except (LakeError, SettingsError) as error:
        st.error(plain(str(error)))
        st.stop()
    if snapshot is None:
        st.info(f"**{say('no_lake')}** {say('no_lake_hint')}", icon=":material/rocket_launch:")
        st.stop()
    return say, snapshot


def is_dark() -> bool:
    """Whether the page is shown on a dark ground."""
    return st.context.theme.type == "dark"


def text(content: str, kind: str = "tb-p", code: str | None = None) -> None:
    """A paragraph of plain text; `code` names its language where that is not the page's."""
    st.html(paragraph(content, kind, code))


def paragraph(content: str, kind: str = "tb-p", code: str | None = None) -> str:
    """A paragraph of plain text as HTML."""
    return f'<p class="{kind}"{lang(code)}>{html.escape(content)}</p>'


def lang(code: str | None) -> str:
    """The HTML attribute that names a text's language; nothing where it is the page's."""
    return f' lang="{code}"' if code is not None and code != language() else ""


def listing(items: Sequence[str], code: str | None = None) -> None:
    """A list of plain texts."""
    st.html(f'<ul class="tb-list"{lang(code)}>{"".join(f"<li>{html.escape(item)}</li>" for item in items)}</ul>')


def verdict(word: str, say: Words) -> str:
    """A verdict with its sign, as plain text for tables."""
    return f"{TONES[word][1]}{SPACE}{say(f'verdict_{word}').replace(' ', SPACE)}"


def answer(word: str, sentence: str, code: str, below: str, say: Words) -> None:
    """The card with a pilot's answer.

    Args:
        word: The verdict.
        sentence: The answer.
        code: The language of the answer.
        below: HTML that stands below it.
        say: The interface.
    """
    tone, sign = TONES[word]
    st.html(
        f'<div class="tb-answer" style="--tb-tone: {tone}"><span class="tb-verdict"><i aria-hidden="true">{sign}</i>'
        f"{html.escape(say(f'verdict_{word}'))}</span>{paragraph(sentence, 'tb-say', code)}{below}</div>"
    )


def facts(items: Sequence[tuple[str, str, str]]) -> None:
    """Figures side by side: name, figure and what belongs to it."""
    cells = (
        f'<div><dt>{html.escape(name)}</dt><dd class="tb-big">{html.escape(figure)}</dd>'
        f'<dd class="tb-small">{html.escape(note)}</dd></div>'
        for name, figure, note in items
    )
    st.html(f'<dl class="tb-facts">{"".join(cells)}</dl>')


def cards(items: Sequence[tuple[str, str, str | None]]) -> None:
    """Short texts side by side: heading, text and the text's language."""
    cells = (f"<div><h4>{html.escape(head)}</h4><p{lang(code)}>{html.escape(body)}</p></div>" for head, body, code in items)
    st.html(f'<div class="tb-cols">{"".join(cells)}</div>')


def legend(items: Mapping[str, str]) -> None:
    """What the marks of the map mean: kind of mark and its meaning."""
    cells = (f'<span><i class="tb-{kind}" aria-hidden="true"></i>{html.escape(name)}</span>' for kind, name in items.items())
    st.html(f'<div class="tb-legend">{"".join(cells)}</div>')


def band_card(colour: str, figure: str, below: str) -> None:
    """A figure of a scale in the colour of its band, and what belongs to it."""
    st.html(f'<div class="tb-band" style="--tb-tone: {colour}"><strong>{html.escape(figure)}</strong>{paragraph(below)}</div>')


def bands(items: Sequence[tuple[str, Sequence[str]]]) -> None:
    """The bands of a scale: word and colours of each."""
    cells = (
        "<span>"
        + "".join(f'<i style="background: {colour}" aria-hidden="true"></i>' for colour in colours)
        + f"{html.escape(name)}</span>"
        for name, colours in items
    )
    st.html(f'<div class="tb-legend tb-bands">{"".join(cells)}</div>')


def provenance(items: Mapping[str, str]) -> None:
    """Where figures come from: name and value, small."""
    cells = (f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in items.items())
    st.html(f'<dl class="tb-source">{"".join(cells)}</dl>')


def table(rows: Sequence[Mapping[str, str]], alt: str, *, figures: Sequence[str] = (), is_roomy: bool = False) -> None:
    """A table in HTML, which screen readers can read.

    Args:
        rows: Column -> text, in Streamlit's Markdown; escape what is not with `plain`.
        alt: What the table shows.
        figures: Columns that hold figures and stand to the right.
        is_roomy: Whether the first column holds sentences.
    """
    columns = list(rows[0])
    places = "".join(f"-c{columns.index(name)}" for name in figures)
    digest = hashlib.sha256(f"{alt}{columns}{rows}".encode()).hexdigest()[:12]
    with st.container(key=f"figures{places}{'-roomy' if is_roomy else ''}-{digest}"):
        st.table(list(rows), border="horizontal", hide_index=True, alt=alt)


def download(name: str, rows: Sequence[Mapping[str, Any]], label: str, key: str) -> None:
    """A button that gives rows as CSV: full precision, dots and commas as programs expect them."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    st.download_button(label, out.getvalue().encode(), name, "text/csv", key=key, icon=":material/download:", on_click="ignore")


def plain(content: str) -> str:
    """Text that Streamlit's Markdown shows as it is.

    Example:
        >>> plain("a_b *c* $5")
        'a\\\\_b \\\\*c\\\\* \\\\$5'
    """
    return re.sub(r"([\\`*_{}\[\]<>#|$:~])", r"\\\1", content)
