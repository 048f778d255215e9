"""Compare the contracts with those of the last release: what breaks needs a new major version.

`python -m flows.released` is what continuous integration runs: exit code 2 where a contract breaks what was released. The
last release is the newest tag that the current state descends from, of whatever name; a fresh clone has the tags, a shallow
one may not. Without a release there is nothing to break, and that is said.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from data_contracts.change import Change
from data_contracts.compare import compare
from data_contracts.contract import SUFFIX, Contract, ContractError, load_contract, parse_contract
from experiments.settings import ROOT

BREAKS = 2
RETIRED = "retired"
"""Status of a contract that the next release may leave out; a contract that is gone without it breaks."""


@dataclass(frozen=True)
class Released:
    """What became of one released contract.

    Attributes:
        contract: Name of the contract.
        before: Its version in the last release.
        now: Its version now; None where it is gone.
        changes: Every difference, from both sides.
        is_announced: Whether the first number of its version is higher than before, or its last release called it retired:
            either announces a break, and a break that was announced passes.
    """

    contract: str
    before: str
    now: str | None
    changes: tuple[Change, ...]
    is_announced: bool

    @property
    def breaks(self) -> bool:
        """Whether it breaks what was released without saying so in its version."""
        return not self.is_announced and (self.now is None or any(change.breaks for change in self.changes))


@dataclass(frozen=True)
class Comparison:
    """The contracts against those of the last release.

    Attributes:
        release: The tag; None where there is none.
        why_not: Why nothing was compared; None where it was.
        contracts: Every released contract.
    """

    release: str | None
    why_not: str | None
    contracts: tuple[Released, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing that was released breaks unannounced."""
        return not any(contract.breaks for contract in self.contracts)

    def __str__(self) -> str:
        """The comparison as lines for people."""
        if self.why_not:
            return f"contracts: nothing to compare with ({self.why_not})"
        lines = []
        for found in self.contracts:
            if found.now is None:
                said = "breaks; release it once with status 'retired' before" if found.breaks else "it was retired before"
                lines.append(f"{found.contract}: {found.before} was released in {self.release}; it is gone; {said}")
            for change in found.changes:
                lines.append(f"{found.contract}: {change}")
            if found.breaks and found.now:
                next_major = _major(found.before) + 1
                advice = f"expected {next_major}.0.0, which announces the break; raise it or undo the change"
                lines.append(f"data_contracts/{found.contract}{SUFFIX}: version is '{found.now}'; {advice}")
        kept = sum(not found.breaks for found in self.contracts)
        return "\n".join([*lines, f"contracts: {kept} of {len(self.contracts)} keep what {self.release} promised"])


def compare_released(root: Path = ROOT) -> Comparison:
    """Compare the contracts in a working tree with those of its last release.

    Args:
        root: Folder of the project, a git working tree or a copy without its history.

    Returns:
        The comparison; it passes, and says why, where there is no release to compare with.

    Raises:
        ContractError: A contract of either side cannot be read.
    """
    try:
        top = _git(root, "rev-parse", "--show-toplevel")
        if top is None or Path(top.strip()).resolve() != root.resolve():
            return Comparison(None, f"{root} is not a git working tree")
        tag = (_git(root, "describe", "--tags", "--abbrev=0") or "").strip()
    except FileNotFoundError:
        return Comparison(None, "git is not installed")
    if not tag:
        return Comparison(None, "no release is tagged yet, or the clone has no tags")
    listed = (_git(root, "ls-tree", "--name-only", tag, "data_contracts/") or "").splitlines()
    found = [_compare_one(root, tag, path) for path in sorted(listed) if path.endswith(SUFFIX)]
    return Comparison(tag, None, tuple(found))


def _compare_one(root: Path, tag: str, path: str) -> Released:
    old = parse_contract(_git(root, "show", f"{tag}:{path}") or "", f"{tag}:{path}")
    file = root / path
    if not file.is_file():
        return Released(old.id, old.version, None, (), is_announced=old.document.status == RETIRED)
    new = load_contract(file)
    return Released(old.id, old.version, new.version, tuple(compare(old, new)), _is_announced(old, new))


def _is_announced(old: Contract, new: Contract) -> bool:
    return _major(new.version) > _major(old.version)


def _major(version: str) -> int:
    first = version.removeprefix("v").split(".")[0]
    return int(first) if first.isdecimal() else 0


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints; None where it refuses."""
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, encoding="utf-8", check=False)
    return done.stdout if done.returncode == 0 else None


def main() -> int:
    """Print the comparison; the exit code for continuous integration."""
    try:
        found = compare_released()
    except ContractError as error:
        print(error, file=sys.stderr)
        return BREAKS
    print(found)
    return 0 if found.passed else BREAKS


if __name__ == "__main__":
    sys.exit(main())
