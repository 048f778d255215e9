"""What each command prints for people; `--json` prints the same documents for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

Document = dict[str, Any]


def table(header: list[str], rows: list[list[object]]) -> None:
    """Print a table in plain columns; numbers to the right."""
    cells = [header, *([f"{c:,}" if isinstance(c, int) else str(c) for c in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    right = [all(isinstance(row[i], int) for row in rows) and bool(rows) for i in range(len(header))]
    for number, row in enumerate(cells):
        print("  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)).rstrip())
        if number == 0:
            print("  ".join("-" * w for w in widths))


def demo(document: Document, home: Path) -> None:
    """Every pilot's result, the leaderboard, and whom the data are from."""
    table(
        ["pilot", "accepted", "quarantined", "effect [interval]", "verdict", "where to look"],
        [[p["pilot"], p["rows"], p["quarantined"], p["effect"], p["verdict"], p["look"]] for p in document["pilots"]],
    )
    print()
    for pilot in document["pilots"]:
        print(f"{pilot['pilot']}: {pilot['answer']} (source: {pilot['source']})")
    print()
    leaderboard(document["leaderboard"])
    print(f"\nEverything is in {home}. To look at it: testbed dashboard")
    print("\n".join(document["credits"]))


def list_all(document: Document) -> None:
    """Pilots and vendor tasks."""
    table(["pilot", "verdict", "asks"], [[p["pilot"], p["verdict"], p["asks"]] for p in document["pilots"]])
    print()
    table(["task", "submissions", "asks"], [[t["task"], t["submissions"], t["asks"]] for t in document["tasks"]])


def run(document: Document) -> None:
    """A pilot's result in a few lines."""
    from flows.judge import summary

    print(f"{document['pilot']}: {document['verdict']}\n{document['answer']}")
    if document["status"] == "followed":
        return
    print(f"rows accepted {document['rows']:,}, quarantined {document['quarantined']:,}; effect {summary(document)}")
    if document.get("refused"):
        print("refused by rule: " + ", ".join(f"{rule} {rows:,}" for rule, rows in document["refused"].items()))
    for change in document["deviations"]:
        print(f"deviation from the locked plan: {change['field']} was {change['locked']}, is {change['found']}")
    for lost in document.get("repairs_not_applied", ()):
        rows = ", ".join(map(str, lost["source_rows"]))
        print(f"repairs not applied, their rows are no longer delivered: {lost['contract']}, source rows {rows}")
    print(f"source {', '.join(source['name'] for source in document['sources'])}")
    print(f"run {document['run_id'][:12]}, plan {document['plan_hash'][:12]}, snapshot {document['snapshot_id']}")


def models(document: Document) -> None:
    """Installed models, and those that can be."""
    rows = [{**row, "installed": "yes" if row["is_installed"] else "no"} for row in document["models"]]
    names = ["name", "family", "licence", "installed", "about"]
    table(names, [[row[name] for name in names] for row in rows])


def count(document: Document) -> None:
    """Crossings by line, direction and road user."""
    names = ["line", "direction", "road_user", "crossings", "lower", "upper"]
    names = names if any(row["lower"] is not None for row in document["counts"]) else names[:-2]
    table(names, [[row[name] for name in names] for row in document["counts"]])
    audit = document.get("audit", {"status": "not audited", "reason": ""})
    said = audit["status"] + (f" ({audit['reason']})" if audit["reason"] else "")
    if audit["status"] == "audited":
        said = f"audited: {audit['intervals']} intervals counted by hand, 95 % intervals"
    print(f"{document['frames']} frames at {document['frame_rate']:g}/s, uptime {document['uptime']:.1%}, {said}")
    if document["frames_lost"]:
        print(f"{document['frames_lost']} frames could not be read")
    for loss in document["losses"]:
        print(f"not observed from {loss['start_s']:.1f} s to {loss['end_s']:.1f} s: {loss['reason']}")


def audit(document: Document) -> None:
    """How far an audit is, and what it says of the counts."""
    print(f"audit {document['audit_id']} of {document['site_id']}, detector {document['detector']}: ", end="")
    print(f"{document['counted']} of {document['drawn']} drawn intervals counted, {document['intervals']} in all")
    needed = document["needed"]
    if needed["intervals"] is not None:
        print(f"for a total within {needed['width']:.0%}: about {needed['intervals']} intervals")
    if document["status"] != "audited":
        print(f"not audited: {document['reason']}")
        return
    names = ["line", "direction", "road_user", "crossings", "lower", "upper"]
    print()
    table(names, [[row[name] for name in names] for row in document["counts"]])
    total = document["total"]
    print(f"all together {total['crossings']}, {total['lower']} to {total['upper']} (95 % interval)\n")

    def figure(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    table(
        ["by", "group", "intervals", "by hand", "counted", "WAPE %", "bias %", "GEH", ""],
        [
            [
                *(row["by"], row["group"], row["intervals"], f"{row['manual']:g}", f"{row['automatic']:g}"),
                *(figure(row["wape"], ".1f"), figure(row["bias"], "+.1f"), figure(row["geh"], ".2f"), row["reason"]),
            ]
            for row in document["errors"]
        ],
    )
    agreed = document["agreement"]
    said = agreed["reason"] if agreed["wape"] is None else f"{agreed['wape']:.1f} % in {agreed['intervals']} intervals"
    print(f"\ndifference between annotators: {said}")


def blur(document: Document) -> None:
    """How much of the people the filled preview covers."""
    rows = [[g["group"], g["people"], f"{g['boxes']:.1%}", f"{g['heads']:.1%}"] for g in document["groups"]]
    table(["people", "true boxes", "boxes covered", "heads covered"], rows)
    said = "met" if document["met"] else "not met: faces may show"
    print(f"target {document['target']:.0%} of heads: {said}; {document['painted']:.0%} of the picture is painted")


def sense(document: Document) -> None:
    """Flags and outages."""
    print(f"{document['rows']:,} readings of {len(document['sites'])} sites, read as {document['format']}: ", end="")
    print(", ".join(document["properties"]) or "no known property")
    table(["flag", "rows"], [[flag, rows] for flag, rows in document["flags"].items()])
    print()
    rows = [[o["site_id"], o["start_at"], o["end_at"], o["reason"]] for o in document["outages"]]
    table(["site", "outage from", "to", "reason"], rows)
    outages = {(o["site_id"], o["start_at"], o["end_at"]) for o in document["outages"]}
    others = [o for o in document["findings"] if (o["site_id"], o["start_at"], o["end_at"]) not in outages]
    if others:
        print()
        found = [[o["site_id"], o["observed_property"], o["kind"], o["start_at"], o["end_at"]] for o in others]
        table(["site", "property", "also found", "from", "to"], found)
    if document["not_searched"]:
        print(f"\n{len(document['not_searched'])} searches were not made; --json tells which and why")
    for told in (told for told in document["checks"] if not told["passed"]):
        print(f"\n{told['file']} does not pass {told['contract']} {told['version']}:")
        table(["rule", "status", "reason"], [list(rule.values()) for rule in told["rules"]])


def heard(document: Document) -> None:
    """What came of listening to a broker."""
    print(f"{document['readings']:,} new readings from {document['messages']:,} messages in {document['seconds']:,.0f} s")
    names = ("duplicates", "out_of_order", "late", "unsure", "connections", "lost", "forgotten", "batches")
    table(["count", "number"], [[name, document[name]] for name in names])
    if document["refused"]:
        print()
        table(["refused by rule", "rows"], [[rule, rows] for rule, rows in sorted(document["refused"].items())])


def check(document: Document) -> None:
    """Every rule of a contract and what became of it."""
    names = ["rule", "severity", "status", "failed_rows", "reason"]
    table(names, [["-" if row[n] is None else row[n] for n in names] for row in document["rules"]])
    said = "passed" if document["passed"] else "failed"
    print(f"\n{document['contract']} {document['version']}: {said}; {document['rows']:,} rows, ", end="")
    print(f"{document['accepted']:,} accepted, {document['quarantined']:,} quarantined")


def compare(document: Document) -> None:
    """What a new version of a contract breaks."""
    table(["breaks", "for", "what"], [["yes" if c["breaks"] else "no", c["side"], c["what"]] for c in document["changes"]])


def list_contracts(document: Document) -> None:
    """The data contracts."""
    table(["contract", "version", "columns", "purpose"], [list(c.values()) for c in document["contracts"]])
    print("".join(f"\n{line}" for line in document["findings"]), end="\n" if document["findings"] else "")


def submit(document: Document) -> None:
    """Whether a model was accepted, and why not."""
    print(f"submission {document['submission']}: {document['status']}")
    for reason in document["reasons"]:
        print(f"- {reason}")


def evaluate(document: Document) -> None:
    """A model's scores."""
    rows = [[m, f"{s['value']:.3f}", f"{s['lower']:.3f} to {s['upper']:.3f}"] for m, s in document["metrics"].items()]
    table(["metric", "value", "95 % interval"], rows)
    print(f"{document['split']} split, sandbox level {document['sandbox_level']}")


def leaderboard(document: Document) -> None:
    """A task's leaderboard; ties are shown as ties."""
    metrics = list(document["rows"][0]["metrics"]) if document["rows"] else []
    rows: list[list[object]] = [
        [
            str(row["rank"]) + ("=" if sum(other["tie_group"] == row["tie_group"] for other in document["rows"]) > 1 else ""),
            row["name"],
            *(f"{s['value']:.3f} [{s['lower']:.3f}, {s['upper']:.3f}]" for s in (row["metrics"][m] for m in metrics)),
            row["sandbox_level"],
        ]
        for row in document["rows"]
    ]
    table([f"rank in {document['task']}", "name", *metrics, "sandbox"], rows)


def quarantine(document: Document, pilot: str, csv: Path | None) -> None:
    """How many rows are in the quarantine."""
    where = f"; repair them in {csv}, then run 'testbed readmit {pilot} {csv}'" if csv else "; write them with --csv FILE"
    print(f"{document['rows']:,} rows in the quarantine of run {document['run_id'][:12]}{where}")


def readmit(document: Document, pilot: str) -> None:
    """What became of repaired rows."""
    print(f"{document['readmitted']:,} rows readmitted, {document['already']:,} were before, ", end="")
    print(f"{len(document['refused']):,} refused again")
    for row in document["refused"]:
        print(f"- {row['contract']}, source row {row['source_row']}: {'; '.join(row['reasons'])}")
    if document["readmitted"]:
        print(f"They enter the next run: testbed run {pilot}")


def publish(document: Document) -> None:
    """The files that were written."""
    print("\n".join(document["files"]))
