"""What can be wrong with a feed's recording, stream or broker before anything is counted or listened to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analytics.sensing.readings import SourceError
from analytics.video.sources.streams import is_stream, public_name
from experiments.pilot import Feed, Pilot, PilotError


def is_followed(feed: Feed) -> bool:
    """Whether a feed's source is a stream, which is followed, rather than read."""
    return any(name.startswith("stream:") or is_stream(name) for name in feed.sources)


def is_heard(feed: Feed) -> bool:
    """Whether a feed's source is a broker, whose readings are in the lake when they have been listened to."""
    return any(name.startswith(("mqtt:", "mqtts://")) for name in feed.sources)


def heard_faults(feed: Feed) -> list[str]:
    """What is wrong with a feed whose source is a broker."""
    from flows.listen import feed_of, meaning_of

    name, faults = feed.sources[0], []
    if len(feed.sources) > 1:
        faults.append(f"{len(feed.sources)} sources are given; expected a broker alone; remove the others")
    try:
        feed_of(name)
    except SourceError as error:
        faults.append(str(error))
    if feed.reader != "live_readings":
        faults.append(f"reader is '{feed.reader}'; expected 'live_readings' for a broker; correct it")
    mapping: Any = feed.reader_params.get("mapping")
    if mapping is not None:
        try:
            meaning_of(mapping, "reader_params.mapping")
        except SourceError as error:
            faults.extend(str(error).splitlines())
    return faults


def stream_faults(feed: Feed) -> list[str]:
    """What is wrong with a feed that is followed."""
    name, faults = public_name(feed.sources[0]), []
    if len(feed.sources) > 1:
        faults.append(f"{len(feed.sources)} sources are given; expected a stream alone; remove the others")
    if "://" in feed.sources[0] and feed.sources[0] != name:
        faults.append(
            f"source '{name}' holds a password or a query; expected neither in a pilot file; write 'stream:NAME' and set "
            "TESTBED_STREAM_NAME to the address"
        )
    if feed.reader is not None:
        faults.append(f"reader is '{feed.reader}'; expected none for a stream; remove it")
    if feed.contract != "counts_by_interval":
        faults.append(f"contract is '{feed.contract}'; expected 'counts_by_interval' for a stream; correct it")
    return faults


def refuse_twins(pilot: Pilot, digests: Mapping[int, tuple[str, str]], where: str) -> None:
    """Refuse the same recording given twice for one site: a camera that delivers an old file again has seen nothing new.

    Args:
        pilot: The pilot.
        digests: Name and SHA-256 of the sources that are read, by the number of their feed.
        where: The pilot's file, for messages.

    Raises:
        PilotError: Two feeds of a site without a reader have the same bytes.
    """
    seen: dict[tuple[str, str], str] = {}
    for number, (name, digest) in digests.items():
        feed = pilot.feeds[number]
        key = (digest, str(feed.params.get("site_id", "")))
        if feed.reader is None and key in seen:
            raise PilotError(
                f"{where}: feeds.{number}: source '{name}' has the same bytes as '{seen[key]}'; expected a recording "
                "of its own for each feed of a site; remove the stale one"
            )
        seen[key] = name
