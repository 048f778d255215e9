"""A page of somebody else's template made to stand alone: nothing is fetched, nothing runs, and it can be read."""

from __future__ import annotations

import re

STYLE = """
:root{--line:#d4dae0;--good:#0b6b3a;--bad:#a3231d}*{box-sizing:border-box}
body{margin:0;color:#1b1f24;background:#fff;font:1rem/1.5 system-ui,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
.container,.container-fluid{max-width:75rem;margin:0 auto;padding:0 1rem}
.modal,.d-none,.navbar-brand,.dropdown-menu,.sticky,a[data-toggle],footer{display:none}
ul,ol{padding-left:1.25rem}nav ol,.breadcrumb,.list-group{list-style:none;padding-left:0}
table{border-collapse:collapse;width:100%;font-size:.92rem;display:block;overflow-x:auto}
th,td{text-align:left;vertical-align:top;padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--line);
overflow-wrap:anywhere}th{white-space:nowrap}
td:nth-child(2){min-width:18rem}.badge{font-weight:600;border:1px solid var(--line);border-radius:.3rem;padding:0 .35rem}
.text-success::before{content:"✓ "}.text-success{color:var(--good)}
.text-danger::before{content:"✗ "}.text-danger{color:var(--bad)}
.text-warning::before{content:"! "}pre{white-space:pre-wrap}h1,h2,h3,h4,h5{line-height:1.2;overflow-wrap:anywhere}
"""
_SCRIPT = re.compile(r"<script\b.*?</script\s*>", re.DOTALL | re.IGNORECASE)
_STYLE = re.compile(r"<style\b.*?</style\s*>", re.DOTALL | re.IGNORECASE)
_BUTTON = re.compile(r"<button\b.*?</button\s*>", re.DOTALL | re.IGNORECASE)
_FETCHED = re.compile(r"<(?:link|img|iframe|base|source)\b[^>]*>", re.DOTALL | re.IGNORECASE)
_ELSEWHERE = re.compile(r"""\s(?:href|src|action)\s*=\s*(["'])(?!#).*?\1""", re.DOTALL | re.IGNORECASE)
_EVENT = re.compile(r"""\son[a-z]+\s*=\s*(["']).*?\1""", re.DOTALL | re.IGNORECASE)
_TITLE = re.compile(r"<title>.*?</title>", re.DOTALL | re.IGNORECASE)
_HEAD = re.compile(r"</head\s*>", re.IGNORECASE)


def self_contained(page: str, title: str) -> str:
    """Take out of a page all that a browser would fetch or run, and give it a plain style sheet of its own.

    Args:
        page: The HTML document; its texts and tables stay as they are.
        title: What the page is to be called.

    Returns:
        The document without scripts, foreign style sheets, pictures, links to elsewhere, and buttons that scripts would serve.
    """
    for pattern in (_SCRIPT, _STYLE, _BUTTON, _FETCHED, _ELSEWHERE, _EVENT):
        page = pattern.sub("", page)
    page = _TITLE.sub("", page)
    head = f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
    head += f"<style>{STYLE}</style></head>"
    return _HEAD.sub(lambda _: head, page, count=1)
