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
    for change in document["deviations"]:
        print(f"deviation from the locked plan: {change['field']} was {change['locked']}, is {change['found']}")
    print(f"source {', '.join(source['name'] for source in document['sources'])}")
    print(f"run {document['run_id'][:12]}, plan {document['plan_hash'][:12]}, snapshot {document['snapshot_id']}")


def count(document: Document) -> None:
    """Crossings by line, direction and road user."""
    names = ["line", "direction", "road_user", "crossings"]
    table(names, [[row[name] for name in names] for row in document["counts"]])
    print(f"{document['frames']} frames at {document['frame_rate']:g}/s, uptime {document['uptime']:.1%}, not audited")
    if document["frames_lost"]:
        print(f"{document['frames_lost']} frames could not be read")
    for loss in document["losses"]:
        print(f"not observed from {loss['start_s']:.1f} s to {loss['end_s']:.1f} s: {loss['reason']}")


def sense(document: Document) -> None:
    """Flags and outages."""
    print(f"{document['rows']:,} readings of {len(document['sites'])} sites, read as {document['format']}")
    table(["flag", "rows"], [[flag, rows] for flag, rows in document["flags"].items()])
    print()
    rows = [[o["site_id"], o["start_at"], o["end_at"], o["reason"]] for o in document["outages"]]
    table(["site", "outage from", "to", "reason"], rows)


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
