# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "beautifulsoup4>=4.13,<5",
#     "feedparser>=6.0.11,<7",
# ]
# ///
"""Release notes of weather stations: from an Atom feed with HTML to plain text in a JSON file.

Its dependencies are the script header above, which any tool that knows PEP 723 reads.
"""

import json
from pathlib import Path
from typing import Annotated, TypedDict
from urllib.parse import urljoin

import feedparser
from bs4 import BeautifulSoup
from prefect import flow, get_run_logger, task
from pydantic import Field

from shared.outputs import output_folder

FEED = Path(__file__).parent / "feed.xml"


class Article(TypedDict):
    """One feed entry without its markup; `published` is a date as YYYY-MM-DD, or empty when unknown."""

    id: str
    title: str
    published: str
    text: str
    links: list[str]


@task
def read_articles(source: Path) -> list[Article]:
    """The articles of the feed, in its order, the first one of each id.

    Raises ValueError when the file is not a well-formed feed: half a feed must not look like a quiet day.
    """
    parsed = feedparser.parse(source.read_bytes())
    if parsed.bozo:
        raise ValueError(f"{source.name} is not a well-formed feed: {parsed.bozo_exception}")
    articles = [to_article(entry) for entry in parsed.entries]
    return list({article["id"]: article for article in reversed(articles)}.values())[::-1]


def to_article(entry: feedparser.FeedParserDict) -> Article:
    """One entry as plain text, its links made absolute."""
    soup = BeautifulSoup(entry.get("summary", ""), "html.parser")
    return Article(
        id=entry.id,
        title=" ".join(BeautifulSoup(entry.title, "html.parser").get_text().split()),
        published=entry.get("published", "")[:10],
        text=" ".join(soup.get_text(" ").split()),
        links=[urljoin(entry.link, str(anchor["href"])) for anchor in soup.find_all("a", href=True)],
    )


@task
def write_articles(articles: list[Article], target: Path) -> None:
    """Write the articles as one JSON array."""
    target.write_text(json.dumps(articles, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@flow
def news(limit: Annotated[int, Field(ge=1, le=100)] = 20, contains: str = "") -> dict[str, object]:
    """Turn the release notes feed into plain text.

    Args:
        limit: keep at most this many articles, the newest ones.
        contains: keep only articles with this word in their title or text; empty keeps all.

    Returns how many articles and links were kept, and the titles, newest first.
    """
    articles = read_articles(FEED)
    word = contains.casefold()
    matching = [article for article in articles if word in f"{article['title']} {article['text']}".casefold()]
    newest = sorted(matching, key=lambda article: article["published"], reverse=True)[:limit]
    target = output_folder("news") / "articles.json"
    write_articles(newest, target)
    get_run_logger().info("%d articles are in %s", len(newest), target)
    return {
        "read": len(articles),
        "kept": len(newest),
        "links": sum(len(article["links"]) for article in newest),
        "titles": [article["title"] for article in newest],
    }


if __name__ == "__main__":
    print(news())
