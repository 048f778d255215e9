"""How a report's page looks: its style sheet, and the picture of the trend."""

from __future__ import annotations

import html
from collections.abc import Sequence

STYLE = """
:root{--ink:#1b1f24;--quiet:#59636e;--line:#d4dae0;--good:#0b6b3a;--bad:#a3231d;--soft:#f5f7f9}
*{box-sizing:border-box}
body{margin:0;background:#fff;color:var(--ink);font:1rem/1.5 system-ui,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
main{max-width:70rem;margin:0 auto;padding:0 1.25rem 3rem}
header{border-left:.5rem solid;padding:.25rem 0 .25rem 1.25rem;margin:2rem 0}
header.good{border-color:var(--good)}header.bad{border-color:var(--bad)}
header p{margin:.25rem 0}.kicker,.quiet{color:var(--quiet)}
h1{font-size:1.8rem;line-height:1.2;margin:.25rem 0;overflow-wrap:anywhere}h2{font-size:1.25rem;margin:2.25rem 0 .75rem}
.verdict{font-size:1.15rem}header.good .verdict strong{color:var(--good)}header.bad .verdict strong{color:var(--bad)}
.figures{display:flex;flex-wrap:wrap;gap:.75rem;margin:0}
.figures div{display:flex;flex-direction:column-reverse;background:var(--soft);border-radius:.4rem;padding:.6rem 1rem;
min-width:8rem}
.figures dt{color:var(--quiet);font-size:.9rem}.figures dd{margin:0;font-size:1.5rem;font-variant-numeric:tabular-nums}
dt{font-weight:600}.figures dt{font-weight:400}dd{margin:0 0 .6rem}
ol{padding-left:1.4rem}li{margin-bottom:.6rem}
.wide{overflow-x:auto}.wide:focus-visible{outline:.15rem solid #1f5fbf}
table{border-collapse:collapse;width:100%;font-size:.92rem}
caption{text-align:left;color:var(--quiet);padding-bottom:.5rem;max-width:60rem}
th,td{text-align:left;vertical-align:top;padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--line)}
thead th{border-bottom:2px solid var(--ink);vertical-align:bottom}tbody th{font-weight:600;overflow-wrap:anywhere;
min-width:7rem}td{min-width:3rem}
#rules-table tbody th{min-width:16rem}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}.why{min-width:18rem}
mark{background:none;color:inherit;outline:.12rem solid var(--bad);outline-offset:.1rem;border-radius:.1rem;padding:0 .15rem}
.mark{white-space:nowrap}.failed .mark{color:var(--bad);font-weight:700}.passed .mark{color:var(--good)}
.failed .mark::before{content:"✗ "}.passed .mark::before{content:"✓ "}.skipped .mark::before{content:"○ "}
figure{margin:0 0 1rem}svg{max-width:100%;height:auto}
@media (max-width:40rem){main{padding:0 .75rem 2rem}h1{font-size:1.4rem}#rules-table tbody th{min-width:9rem}
.figures{gap:.5rem}.figures div{min-width:6.5rem;padding:.4rem .7rem}}
@media print{body{font-size:9.5pt}main{max-width:none;padding:0}.wide{overflow:visible}
section{break-inside:auto}h2{break-after:avoid}tr,li{break-inside:avoid}thead{display:table-header-group}}
"""
BAR, GAP, HEIGHT, ROOM = 34, 14, 90, 34


def trend_picture(labels: Sequence[str], shares: Sequence[float], passed: Sequence[bool]) -> str:
    """Bars of the share of rows set aside; the table beside it says the same in numbers.

    Args:
        labels: What tells the checks apart.
        shares: Share of rows set aside at each check, 0 to 1.
        passed: Whether each check passed; refused ones are striped as well as red.

    Returns:
        A figure as HTML.
    """
    most = max([*shares, 0.0])
    width = len(shares) * (BAR + GAP) + GAP
    bars = []
    for i, (label, share, good) in enumerate(zip(labels, shares, passed, strict=True)):
        tall = round(HEIGHT * share / most, 1) if most else 0.0
        x, top = GAP + i * (BAR + GAP), ROOM + HEIGHT - tall
        fill = "#0b6b3a" if good else "url(#refused)"
        bars.append(
            f"<g><title>{html.escape(label)}: {share:.2%}</title>"
            f'<rect x="{x}" y="{top}" width="{BAR}" height="{tall}" fill="{fill}"/>'
            f'<text x="{x + BAR / 2}" y="{top - 6}" text-anchor="middle" font-size="11">{100 * share:.1f}</text></g>'
        )
    said = (
        f"Share of rows set aside at {len(shares)} checks, in percent; the last is this check, {100 * shares[-1]:.1f} percent"
    )
    return (
        f'<figure><svg role="img" aria-label="{said}" width="{width}" height="{ROOM + HEIGHT + 8}" '
        f'viewBox="0 0 {width} {ROOM + HEIGHT + 8}"><defs><pattern id="refused" width="6" height="6" '
        'patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="6" height="6" fill="#a3231d"/>'
        '<rect width="2" height="6" fill="#fff"/></pattern></defs>'
        f'<line x1="0" y1="{ROOM + HEIGHT}" x2="{width}" y2="{ROOM + HEIGHT}" stroke="#1b1f24"/>{"".join(bars)}</svg>'
        '<figcaption class="quiet">Percent of rows set aside; striped where the delivery was refused.</figcaption></figure>'
    )
