"""The data model: fields exist only where a site has what they are made of."""

from pipulate.simulator.datamodel import GRAPH, Needs, crawl_collection, crawl_fields
from pipulate.simulator.generated import generate_site
from tests.simulator.examples import SITE

SHOP = generate_site("shop", 3_000)
FIELDS = crawl_fields(SHOP)


def ids(fields) -> set[str]:
    return {field.id for field in fields}


def test_a_field_needs_its_columns():
    """A site whose crawl ran no JavaScript and measured no size has none of those fields."""
    assert ids(FIELDS) - ids(crawl_fields(SITE)) >= {"js.rendering.exec", "byte_size"}


def test_a_crawl_may_lack_the_link_graph():
    """All its other fields are there."""
    assert ids(FIELDS) - ids(crawl_fields(SHOP, links_graph=False)) == {GRAPH}


def test_every_field_can_be_computed():
    """Each dimension has one value per row of the generated site."""
    frame = SHOP.pages.select(field.value.alias(field.id) for field in FIELDS)
    assert frame.shape == (len(SHOP.pages), len(FIELDS))
    assert frame.row(0, named=True)["host"] == "www.shop.example"


def test_the_empty_target_is_no_page():
    """The quirk of links to nowhere does not show up as a row."""
    (table,) = crawl_collection("crawl.x", "x", SHOP).tables([])
    assert not (table.rows(Needs())["url"] == "").any()
