"""The manual in the app: every page shows, every link leads somewhere, words are found."""

import re
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from pipulate import docs
from pipulate.app import create_app
from pipulate.engine.settings import Settings

OWN = "http://127.0.0.1"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The app on a fresh data folder."""
    folder = tmp_path_factory.mktemp("docs")
    with TestClient(create_app(Settings(data=folder, downloads=folder)), base_url=OWN) as client:
        yield client


def content(client: TestClient, path: str) -> str:
    """Return a page's main column."""
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.text.partition("<main")[2].partition("</main>")[0]


@pytest.mark.parametrize("name", docs.pages())
def test_every_link_of_a_page_leads_somewhere(client: TestClient, name: str) -> None:
    """Pages, sections and pictures: the address is there, and so is the heading."""
    shown = content(client, f"/docs/{name}")
    for target in re.findall(r'(?:href|src)="(/docs[^"]*)"', shown):
        path, _, part = target.partition("#")
        answer = client.get(path)
        assert answer.status_code == 200, f"{name} leads to {target}"
        assert not part or f'id="{part}"' in answer.text, f"{name} leads to {target}"
    assert not re.findall(r'href="(?!/|#|https?:|mailto:)[^"]*"', shown)


def test_the_index_lists_every_page(client: TestClient) -> None:
    """What is not on it, nobody finds."""
    listed = set(re.findall(r'href="/docs/([^"#]+)"', content(client, "/docs")))
    assert listed == set(docs.pages()) - {"index"}


def test_words_are_found_and_lead_to_their_section(client: TestClient) -> None:
    """The search of the manual page."""
    assert 'href="/docs/record#history-and-undo"' in content(client, "/docs?q=undo")
    assert "The manual has nothing on that." in content(client, "/docs?q=xyzzy")


def test_nothing_else_of_the_folder_is_served(client: TestClient) -> None:
    """Not its code, nor anything above it."""
    for path in ("__init__.py", "../app.py", "%2e%2e/app.py", "img", "index.md", "nothing"):
        assert client.get(f"/docs/{path}").status_code == 404, path


def test_the_finder_leads_to_sections(client: TestClient) -> None:
    """Ctrl+K finds what a heading says."""
    found = client.get("/find?q=troubles")
    assert "Nothing has that" in found.text
    assert 'href="/docs/record#history-and-undo"' in client.get("/find?q=history and").text
