"""media_and_links: what is sent besides words."""

from collections import Counter

from ..interface import InsightResult, JsonValue
from .charts import heatmap
from .definition import InsightType
from .digest import KINDS, LINK, MEDIA_KINDS, Digest
from .people import labels, leader, name, rest_of, shown, unshown
from .wording import counted, listed, quoted

LISTED_DOMAINS = 15
_TEXT = KINDS.index("text")
_MEDIA = [number for number, kind in enumerate(KINDS) if kind in MEDIA_KINDS]
_SPOKEN = {
    "image": ("picture", None),
    "video": ("video", None),
    "audio": ("voice message", None),
    "sticker": ("sticker", None),
    "gif": ("GIF", None),
    "document": ("document", None),
    "contact": ("contact", None),
    "location": ("place", None),
    "other": ("medium that the export does not name", "media that the export does not name"),
}


def make(digest: Digest) -> InsightResult:
    """Messages by author and kind, and the sites that are linked most."""
    kinds = Counter(zip(digest.authors, digest.kinds, strict=True))
    totals = Counter(digest.kinds)
    present = [number for number in range(len(KINDS)) if totals[number]]
    people = shown(digest)
    matrix = [[kinds[author, number] for number in present] for author in people]
    links = Counter(
        author for author, flags in zip(digest.authors, digest.flags, strict=True) if flags & LINK
    )
    domains: Counter[str] = Counter()
    for (_, host), count in digest.domains.items():
        domains[host] += count
    data: dict[str, JsonValue] = {
        "chart": heatmap(labels(digest), [KINDS[number] for number in present], matrix, "messages"),
        "kinds": {KINDS[number]: totals[number] for number in present},
        "rows": [
            {
                "author": label,
                "media": sum(kinds[author, n] for n in _MEDIA),
                "messages_with_links": links[author],
            }
            for author, label in enumerate(labels(digest))
        ],
        "others": {"authors": unshown(digest), "messages": rest_of(digest, digest.counts)},
        "message_count": len(digest),
        "media_count": sum(totals[number] for number in _MEDIA),
        "messages_with_links": links.total(),
        "domains": [_domain(digest, host, count) for host, count in _top(domains)],
    }
    return InsightResult(data, _sentences(digest, totals, kinds, links, domains))


def _top(domains: Counter[str]) -> list[tuple[str, int]]:
    return sorted(domains.items(), key=lambda item: (-item[1], item[0]))[:LISTED_DOMAINS]


def _domain(digest: Digest, host: str, count: int) -> dict[str, JsonValue]:
    """A site, how often it was linked, and by whom most."""
    sharers = {author: n for (author, at), n in digest.domains.items() if at == host}
    sharer = leader(sorted(sharers), lambda author: sharers[author])
    return {"domain": host, "links": count, "mostly_by": None if sharer is None else name(digest, sharer)}


def _sentences(
    digest: Digest,
    totals: Counter[int],
    kinds: Counter[tuple[int, int]],
    links: Counter[int],
    domains: Counter[str],
) -> tuple[str, ...]:
    parts = [
        counted(totals[n], *_SPOKEN[KINDS[n]])
        for n in sorted(_MEDIA, key=lambda number: (-totals[number], number))
        if totals[n]
    ]
    sentences = [_kinds_sentence(len(digest), totals[_TEXT], parts)]
    sender = leader(range(len(digest.names)), lambda author: sum(kinds[author, n] for n in _MEDIA))
    if sender is not None and len(digest.names) > 1:
        own = sum(kinds[sender, number] for number in _MEDIA)
        sentences.append(f"{name(digest, sender)} sent most of them: {own:,}.")
    if links:
        sites = [host for host, _ in _top(domains)]
        sentences.append(f"{counted(links.total(), 'message')} carry a link, most often to {quoted(sites)}.")
    else:
        sentences.append("Nobody sent a link.")
    return tuple(sentences)


def _kinds_sentence(total: int, text: int, parts: list[str]) -> str:
    if text == total:
        return f"All {counted(total, 'message')} are text."
    rest = f": {listed(parts[:4])}" if parts else ""
    return f"Of {counted(total, 'message')}, {text:,} are text and {total - text:,} something else{rest}."


INSIGHT = InsightType("media_and_links", make)
