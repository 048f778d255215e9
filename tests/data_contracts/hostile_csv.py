"""Families of broken CSV files. A case is made from its family and its seed, and says which rows its fault leaves untouched."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

HEADER = "site_id,counted_at,crossings,coverage"


@dataclass(frozen=True)
class Case:
    """A broken file.

    Attributes:
        content: Its bytes.
        untouched: Name and count of the rows that its fault leaves alone: they must be accepted.
        rows: How many rows and broken lines it has, where that is known.
        suffix: How its name ends.
        refused: Words of the error that it ends in; None where it must not be refused as a whole.
    """

    content: bytes
    untouched: frozenset[tuple[str, str]] = frozenset()
    rows: int | None = None
    suffix: str = ".csv"
    refused: str | None = None


Family = Callable[[random.Random], Case]


def good_rows(draw: random.Random, least: int = 3, most: int = 40) -> list[list[str]]:
    names = [f"site_{i}" for i in range(draw.randint(least, most))]
    hours = [f"2026-03-{draw.randint(1, 28):02}T{draw.randint(0, 23):02}:00:00Z" for _ in names]
    return [[name, hour, str(draw.randint(0, 999)), f"{draw.random():.3f}"] for name, hour in zip(names, hours, strict=True)]


def text_of(rows: list[list[str]], delimiter: str = ",", header: str = HEADER, end: str = "\n") -> bytes:
    lines = [header.replace(",", delimiter), *(delimiter.join(row) for row in rows)]
    return (end.join(lines) + end).encode()


def others(rows: list[list[str]], touched: set[int]) -> frozenset[tuple[str, str]]:
    return frozenset((row[0], row[2]) for i, row in enumerate(rows) if i not in touched)


def some(draw: random.Random, rows: list[list[str]]) -> set[int]:
    return set(draw.sample(range(len(rows)), draw.randint(1, len(rows))))


def changed_cells(column: int, *values: str) -> Family:
    """Some rows get a value in a column that the contract refuses."""

    def family(draw: random.Random) -> Case:
        rows = good_rows(draw)
        touched = some(draw, rows)
        for i in touched:
            rows[i][column] = draw.choice(values)
        return Case(text_of(rows), others(rows, touched), len(rows))

    return family


def changed_lines(change: Callable[[random.Random, bytes], bytes], adds: int = 0) -> Family:
    """Some lines are changed so that they are no rows."""

    def family(draw: random.Random) -> Case:
        rows = good_rows(draw)
        touched = some(draw, rows)
        lines = text_of(rows).split(b"\n")
        for i in touched:
            lines[i + 1] = change(draw, lines[i + 1])
        return Case(b"\n".join(lines), others(rows, touched), len(rows) + adds)

    return family


def truncated(draw: random.Random) -> Case:
    rows = good_rows(draw)
    whole = text_of(rows)
    content = whole[: draw.randint(1, len(whole) - 2)]
    complete = max(0, content.count(b"\n") - 1)
    return Case(content, others(rows[:complete], set()), None)


def one_stray_quote(draw: random.Random) -> Case:
    rows = good_rows(draw)
    i, column = draw.randrange(len(rows)), draw.randrange(4)
    rows[i][column] = '"' + rows[i][column]
    return Case(text_of(rows), others(rows, {i}), len(rows))


def quotes_everywhere(draw: random.Random) -> Case:
    rows = good_rows(draw)
    for _ in range(draw.randint(2, 9)):
        row = draw.choice(rows)
        column = draw.randrange(1, 4)
        cut = draw.randint(0, len(row[column]))
        row[column] = row[column][:cut] + draw.choice(['"', '""', '"\n"', '\\"']) + row[column][cut:]
    return Case(text_of(rows))


def flipped_bytes(draw: random.Random) -> Case:
    rows = good_rows(draw)
    lines = text_of(rows).split(b"\n")
    touched = some(draw, rows)
    for i in touched:
        line = bytearray(lines[i + 1])
        for _ in range(draw.randint(1, 4)):
            line[draw.randrange(len(line))] = draw.choice([byte for byte in range(256) if byte not in b'"\r\n'])
        lines[i + 1] = bytes(line)
    return Case(b"\n".join(lines), others(rows, touched), len(rows))


def encoded(encoding: str, refused: str | None, mark: bytes = b"") -> Family:
    def family(draw: random.Random) -> Case:
        rows = good_rows(draw)
        touched = some(draw, rows)
        for i in touched:
            rows[i][0] = f"caf\xe9_{i}"
        content = mark + text_of(rows).decode().encode(encoding)
        accepted = others(rows, set() if encoding.startswith("utf-8") else touched)
        return Case(content, frozenset() if refused else accepted, len(rows), refused=refused)

    return family


def header(change: Callable[[random.Random, list[str]], list[str]], refused: str) -> Family:
    def family(draw: random.Random) -> Case:
        names = change(draw, HEADER.split(","))
        rows = [[*row, *["x"] * 9][: len(names)] for row in good_rows(draw)]
        return Case(text_of(rows, header=",".join(names)), refused=refused)

    return family


def reordered(draw: random.Random) -> Case:
    rows = good_rows(draw)
    order = draw.sample(range(4), 4)
    names = HEADER.split(",")
    content = text_of([[row[i] for i in order] for row in rows], header=",".join(names[i] for i in order))
    return Case(content, others(rows, set()), len(rows))


def other_ends(draw: random.Random) -> Case:
    rows = good_rows(draw)
    content = b"".join(line + draw.choice([b"\n", b"\r\n", b"\n\n"]) for line in text_of(rows).splitlines())
    return Case(content, others(rows, set()), len(rows))


def texts_over_lines(draw: random.Random) -> Case:
    rows = good_rows(draw)
    end = draw.choice(["\n", "\r\n"])
    names = []
    for i, row in enumerate(rows):
        if draw.random() < 0.5:
            row[0] = f'{row[0]}{end}says ""{i}"", twice'
        names.append((row[0].replace('""', '"'), row[2]))
        row[0] = f'"{row[0]}"'
    broken = draw.randrange(len(rows))
    rows[broken] = rows[broken][:2]
    return Case(text_of(rows, end=end), frozenset(names) - {names[broken]}, len(rows))


def wrong_delimiter(draw: random.Random) -> Case:
    rows = good_rows(draw)
    return Case(text_of(rows, ",", HEADER.replace(",", draw.choice([";", "\t", "|"]))), rows=len(rows))


def only_a_header(draw: random.Random) -> Case:
    return Case(HEADER.encode() + draw.choice([b"", b"\n", b"\r\n", b"\n\n\n"]), rows=0)


def many_columns(draw: random.Random) -> Case:
    count = draw.choice([2_001, 5_000, 30_000, 400_000])
    names = ",".join(f"c{i}" for i in range(count))
    return Case(f"{names}\n".encode(), refused="columns" if count < 100_000 else "1000000 bytes")


def huge_field(draw: random.Random) -> Case:
    rows = good_rows(draw)
    i, column = draw.randrange(len(rows)), draw.randrange(4)
    rows[i][column] = draw.choice(["x", "1", "9."]) * 5_000_000
    return Case(text_of(rows), others(rows, {i}), len(rows))


def type_changes(draw: random.Random) -> Case:
    """From one row on, a column holds something else."""
    rows = good_rows(draw)
    start, column = draw.randrange(len(rows)), draw.choice([1, 2, 3])
    word = draw.choice(["n/a", "many", "2026", "{}", "[1]", "true", "-"])
    for row in rows[start:]:
        row[column] = word if column != 2 or word != "2026" else "2026-03"
    touched = set(range(start, len(rows))) if column != 3 or word != "2026" else set()
    return Case(text_of(rows), others(rows, touched), len(rows))


def shifted(draw: random.Random) -> Case:
    """Some rows have their values one column to the left or right."""
    rows = good_rows(draw)
    touched = some(draw, rows)
    for i in touched:
        rows[i] = [*rows[i][1:], rows[i][0]] if draw.random() < 0.5 else [rows[i][-1], *rows[i][:-1]]
    return Case(text_of(rows), others(rows, touched), len(rows))


def inserted_lines(*lines: bytes) -> Family:
    """Lines stand between the rows that are none: headers of files glued together, comments, totals."""

    def family(draw: random.Random) -> Case:
        rows = good_rows(draw)
        whole = text_of(rows).splitlines(keepends=True)
        extra = draw.randint(1, 5)
        for _ in range(extra):
            whole.insert(draw.randint(1, len(whole)), draw.choice(lines) + b"\n")
        return Case(b"".join(whole), others(rows, set()), len(rows) + extra)

    return family


def glued(draw: random.Random) -> Case:
    """A row without the end of its line, and the next one behind it."""
    rows = good_rows(draw)
    i = draw.randrange(len(rows) - 1)
    lines = text_of(rows).splitlines(keepends=True)
    lines[i + 1] = lines[i + 1].rstrip(b"\n")
    return Case(b"".join(lines), others(rows, {i, i + 1}), len(rows) - 1)


def lost_block(draw: random.Random) -> Case:
    """A block of bytes is gone, or was filled with zeros, as after a crash."""
    rows = good_rows(draw, 10)
    whole = text_of(rows)
    start = draw.randint(len(HEADER) + 1, len(whole) - 40)
    end = draw.randint(start + 1, len(whole) - 1)
    lines = [whole[:start].count(b"\n") - 1, whole[:end].count(b"\n") - 1]
    fill = draw.choice([b"", b"\0" * (end - start), b" " * (end - start)])
    return Case(whole[:start] + fill + whole[end:], others(rows, set(range(lines[0], lines[1] + 1))))


def control_signs(draw: random.Random, line: bytes) -> bytes:
    fields = line.split(b",")
    fields[draw.choice([1, 2, 3])] = draw.choice(
        [b"\0", b"\x1b[31m", b"\x07", b"\x0b", b"\x1a", "\u2028".encode(), "\u202e".encode()]
    )
    return b",".join(fields)


CSV: dict[str, Family] = {
    "truncated": truncated,
    "one stray quote": one_stray_quote,
    "quotes everywhere": quotes_everywhere,
    "flipped bytes": flipped_bytes,
    "latin-1": encoded("latin-1", None),
    "utf-8 with a mark": encoded("utf-8", None, b"\xef\xbb\xbf"),
    "utf-16": encoded("utf-16", "not UTF-8"),
    "utf-16 without a mark": encoded("utf-16-le", "NUL bytes"),
    "latin-1 line": changed_lines(lambda draw, line: line.replace(b"site_", draw.choice([b"caf\xe9_", b"\xff\xfe", b"\xc3"]))),
    "too few fields": changed_lines(lambda draw, line: line.rsplit(b",", draw.randint(1, 3))[0]),
    "too many fields": changed_lines(lambda draw, line: line + b",1" * draw.randint(1, 9)),
    "trailing delimiters": changed_lines(lambda draw, line: line + b"," * draw.randint(1, 3)),
    "other delimiter in a line": changed_lines(lambda draw, line: line.replace(b",", draw.choice([b";", b"\t", b"|"]))),
    "decimal comma": changed_lines(lambda draw, line: line.replace(b".", b",")),
    "text where a number was": changed_cells(2, "abc", "1.5", "12x", "0x1F", "1e99", "--", "3000000000", "NaN", "\u0663x"),
    "empty where a value must be": changed_cells(2, "", '""'),
    "NaN and infinities": changed_cells(3, "nan", "NaN", "inf", "-inf", "Infinity", "1e999"),
    "1970 and 2099": changed_cells(1, "1970-01-01T00:00:00Z", "2099-12-31T23:59:59Z", "0001-01-01T00:00:00Z"),
    "local times": changed_cells(1, "2026-03-02T07:00:00", "2026-03-02 07:00", "2026-03-02", "02/03/2026 07:00", "07:00Z"),
    "no times": changed_cells(
        1, "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "epoch", "now", "today", "infinity", "1772434800"
    ),
    "negative counts": changed_cells(2, "-1", "-2147483648"),
    "long names": changed_cells(0, "x" * 101, "y" * 100_000),
    "reordered columns": reordered,
    "line ends of two kinds": other_ends,
    "texts over lines": texts_over_lines,
    "wrong delimiter": wrong_delimiter,
    "only a header": only_a_header,
    "missing column": header(lambda draw, names: draw.sample(names, draw.randint(1, 3)), "is missing"),
    "extra column": header(
        lambda draw, names: [*names, draw.choice(["track_id", "x y", "'", '"a""b"', "\u202e", ";"])], "is not in"
    ),
    "duplicated column": header(lambda draw, names: [*names, draw.choice(names)], "stands twice"),
    "other case": header(lambda draw, names: [draw.choice([name.upper(), name.title()]) for name in names], "is missing"),
    "many columns": many_columns,
    "type changes": type_changes,
    "shifted columns": shifted,
    "headers in between": inserted_lines(HEADER.encode(), b"site_id;counted_at;crossings;coverage"),
    "comments and totals": inserted_lines(b"# exported", b"total,,99", b"<br>", b"(3 rows)", b",,,", b"\xff\xfe", b"---"),
    "glued lines": glued,
    "lost block": lost_block,
    "control signs": changed_lines(control_signs),
    "numbers of a country": changed_cells(
        2, '"1,234"', '"1.234,5"', "1_000", "1 000", "\u0661\u0662", "\u00bd", "12 cars", "+-1", "1e"
    ),
    "no offset that exists": changed_cells(
        1, "2026-03-02T07:00:00+99:00", "2026-03-02T25:00:00Z", "2026-03-02T07:61:00Z", "290000-01-01T00:00:00Z"
    ),
}
