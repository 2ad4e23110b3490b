"""A made-up shop under construction: its pages, and the links between them.

LAYOUT  Home, departments, categories with paginated listings, products and
        their colours, reviews, a blog, a menu on every page; and the flaws
        a link audit looks for: redirects, dead pages, canonicalised and
        noindex pages, PDF files, orphans, targets never fetched.
LINKS   Structural links come first and keep all but the orphans reachable.
        The rest are "related" links whose targets follow a power law (a rank
        drawn as n * u^k, u uniform), two thirds within one category.
QUIRKS  As in real exports: a page that links to itself, an empty target,
        URLs with a comma, a quote, non-ASCII letters.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipulate.graph.sites import Positions
from pipulate.simulator import constants

WORDS = constants("shop")
ADJECTIVES: list[str] = WORDS["adjectives"]
NOUNS: list[str] = WORDS["nouns"]

PER_LISTING = 24  # products on one listing page
PER_INDEX = 12  # articles on one page of the blog's index

#: how pages of each kind answer a crawler; `in_sitemap` is the share listed
KINDS = pl.DataFrame(WORDS["kinds"])
#: those that may have links of their own
LINKING = KINDS.filter(http_code=200, content_type="text/html")["kind"].to_list()


@dataclass
class Shop:
    """Pages in lists, links in arrays."""

    name: str
    rng: np.random.Generator
    pages: int  # about how many are wanted
    urls: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    titles: list[str | None] = field(default_factory=list)
    variant_of: dict[int, int] = field(default_factory=dict)
    links: list[tuple[Positions, Positions]] = field(default_factory=list)

    def share(self, part: float) -> int:
        """A part of the wanted pages, at least one."""
        return max(1, round(part * self.pages))

    def url(self, path: str) -> str:
        return f"https://www.{self.name}.example{path}"

    def path(self, page: int) -> str:
        return self.urls[page].split(".example", 1)[1]

    def add(self, kind: str, paths: list[str], titles: Sequence[str | None] = ()) -> Positions:
        """Append pages; their ids."""
        first = len(self.urls)
        self.urls += map(self.url, paths)
        self.kinds += [kind] * len(paths)
        self.titles += titles or [None] * len(paths)
        return np.arange(first, len(self.urls))

    def link(self, sources: Any, targets: Any) -> None:
        """Pair by pair; one side may be a single page."""
        froms, tos = np.broadcast_arrays(sources, targets)
        self.links.append((froms, tos))

    def link_both_ways(self, ones: Any, others: Any) -> None:
        self.link(ones, others)
        self.link(others, ones)

    def link_all(self, sources: Positions, targets: Positions) -> None:
        """Each to each, but no page to itself."""
        froms = np.repeat(sources, len(targets))
        tos = np.tile(targets, len(sources))
        self.link(froms[froms != tos], tos[froms != tos])

    def is_kind(self, *kinds: str) -> NDArray[np.bool_]:
        return np.isin(self.kinds, kinds)

    def of_kind(self, *kinds: str) -> Positions:
        return np.flatnonzero(self.is_kind(*kinds))

    @property
    def writers(self) -> Positions:
        """The pages whose text may link to anything."""
        return self.of_kind("product", "article", "review", "main")


@dataclass(frozen=True)
class Products:
    """By category, best sellers first; of each its category's start, size."""

    pages: Positions
    first: Positions
    size: Positions


def word_pair(number: int) -> str:
    """Distinct for distinct numbers."""
    rest, adjective = divmod(number, len(ADJECTIVES))
    again, noun = divmod(rest, len(NOUNS))
    pair = f"{ADJECTIVES[adjective]}-{NOUNS[noun]}"
    return f"{pair}-{again}" if again else pair


def words(number: int) -> str:
    """As in a text."""
    return word_pair(number).replace("-", " ")


# --- pages, and the links that hold the site together ---


def lay_out(shop: Shop, links_per_page: float) -> Products:
    """All pages, structural links."""
    home = shop.add("home", ["/"], [f"{shop.name.title()}: things for the house"])
    names = WORDS["main_pages"][: 3 + min(10, shop.pages // 100)]
    main = shop.add("main", [f"/{n}" for n in names], [n.title() for n in names])
    names = WORDS["departments"][: max(3, min(15, int(np.log2(shop.pages)) - 2))]
    departments = shop.add("department", [f"/{n}/" for n in names], [n.title() for n in names])
    shop.link(home, main)
    shop.link(home, departments)
    products = _catalogue(shop, departments)
    best_sellers = products.pages[products.first == np.arange(len(products.first))]
    shop.link(home, best_sellers[:12])
    _variants(shop, products.pages)
    _reviews(shop, products.pages)
    _blog(shop, home)

    in_menu = round(0.16 * links_per_page)
    menu = np.concatenate([home, departments[:in_menu], main[: in_menu // 2]])
    shop.link_all(shop.of_kind(*LINKING), menu)
    _flaws(shop)
    return products


def _catalogue(shop: Shop, departments: Positions) -> Products:
    amount = max(len(departments), shop.share(0.03))
    parents = departments[np.arange(amount) % len(departments)]
    paths = [f"{shop.path(parent)}{word_pair(n)}s/" for n, parent in enumerate(parents)]
    titles = [f"{words(n).capitalize()}s" for n in range(amount)]
    categories = shop.add("category", paths, titles)
    shop.link_both_ways(parents, categories)

    weights = 1 / (np.arange(amount) + 4.0)
    further = max(0, shop.share(0.56) - amount)
    sizes = 1 + shop.rng.multinomial(further, weights / weights.sum())
    products = _products(shop, np.repeat(categories, sizes))
    shop.link(products, np.repeat(categories, sizes))
    shop.link(products, np.repeat(parents, sizes))
    first = np.cumsum(sizes) - sizes
    shelves = list(zip(categories, np.split(products, first[1:]), strict=True))
    for category, shelf in shelves:
        _listing(shop, category, shelf)
    for category, shelf in shelves[::3]:
        by_price = shop.add("filter", [f"{shop.path(category)}?sort=price"])
        shop.link(category, by_price)
        shop.link(by_price, shelf[:PER_LISTING])
    return Products(products, np.repeat(first, sizes), np.repeat(sizes, sizes))


def _products(shop: Shop, categories: Positions) -> Positions:
    numbers = shop.rng.permutation(len(categories))
    pairs = list(zip(categories, numbers, strict=True))
    paths = [f"{shop.path(page)}{word_pair(n)}-p{10_000 + n}.html" for page, n in pairs]
    paths[-1] = paths[-1].replace(".html", ",boxed.html")
    titles = [f"{words(n).capitalize()} | {shop.titles[page]}" for page, n in pairs]
    return shop.add("product", paths, titles)


def _listing(shop: Shop, category: int, products: Positions) -> None:
    numbers = range(2, 2 + (len(products) - 1) // PER_LISTING)
    paths = [f"{shop.path(category)}?page={n}" for n in numbers]
    titles = [f"{shop.titles[category]}, page {n}" for n in numbers]
    series = np.append(category, shop.add("listing", paths, titles))
    shop.link(series[np.arange(len(products)) // PER_LISTING], products)
    for step in (1, 2):
        shop.link_both_ways(series[:-step], series[step:])
    shop.link(series[:-1], series[-1])
    shop.link(series[1:], series[0])


def _variants(shop: Shop, products: Positions) -> None:
    bases = shop.rng.choice(products, shop.share(0.05), replace=False)
    paths = [f"{shop.path(base)}?colour={ADJECTIVES[base % len(ADJECTIVES)]}" for base in bases]
    variants = shop.add("variant", paths, [shop.titles[base] for base in bases])
    shop.variant_of.update(zip(variants.tolist(), bases.tolist(), strict=True))
    shop.link_both_ways(bases, variants)


def _reviews(shop: Shop, products: Positions) -> None:
    bases = shop.rng.choice(products, shop.share(0.04), replace=False)
    titles = [f"Review: {shop.titles[base]}" for base in bases]
    reviews = shop.add("review", [f"/reviews/{base}" for base in bases], titles)
    shop.link_both_ways(bases, reviews)


def _blog(shop: Shop, home: Positions) -> None:
    amount = max(4, shop.share(0.14))
    paths = [f"/blog/{word_pair(7 * n)}-{n}.html" for n in range(amount)]
    titles = [f"How to choose a {words(7 * n)}" for n in range(amount)]
    paths[-2:] = ['/blog/the-"best"-chair.html', "/blog/café-crème.html"]
    titles[-2:] = ['The "best" chair, tried', "Café crème, à la maison"]
    articles = shop.add("article", paths, titles)
    numbers = range(1, 2 + (amount - 1) // PER_INDEX)
    paths = ["/blog/", *(f"/blog/page/{n}" for n in numbers[1:])]
    index = shop.add("blog", paths, [f"Blog, page {n}" for n in numbers])
    shop.link(home, index[:1])
    shop.link(home, articles[:3])
    shop.link(index[0], index[9::10])
    shop.link_both_ways(index[:-1], index[1:])
    shop.link(index[np.arange(amount) // PER_INDEX], articles)
    shop.link(articles, index[0])
    shop.link(articles[:-1], articles[1:])


def _flaws(shop: Shop) -> None:
    writers = shop.writers
    for kind, share, path in WORDS["flaws"]:
        pages = shop.add(kind, [path.format(n + 1) for n in range(shop.share(share))])
        for _ in range(2):
            shop.link(shop.rng.choice(writers, len(pages)), pages)
    numbers = range(shop.share(0.02))
    paths = [f"/archive/{word_pair(11 * n)}-{n}.html" for n in numbers]
    shop.add("orphan", paths, [words(11 * n).capitalize() for n in numbers])
    two = shop.of_kind("product")[:2]
    shop.link(two, two)
    nowhere = shop.add("unfetched", [""])
    shop.urls[-1] = ""
    shop.link(shop.rng.choice(writers, 2, replace=False), nowhere)


# --- all links ---


def fill(shop: Shop, products: Products, links: int) -> tuple[Positions, Positions]:
    """All links, filled up with "related" ones to `links` pairs."""
    count = len(shop.urls)
    pairs = [np.asarray(froms, np.int64) * count + tos for froms, tos in shop.links]
    keys = _distinct(np.concatenate(pairs))
    popular = shop.rng.permutation(np.concatenate([products.pages, shop.of_kind("article")]))
    skew = 3.0
    while len(keys) < links:
        wanted = int(1.2 * (links - len(keys))) + 10
        sources, targets = _related(shop, products, popular, wanted, skew)
        mixed = shop.rng.permutation(np.flatnonzero(sources != targets))
        keys = _distinct(np.concatenate([keys, sources[mixed] * count + targets[mixed]]))
        skew = max(1.0, skew * 0.8)  # when the popular are used up, spread out
    return np.divmod(keys[:links], count)


def _related(
    shop: Shop, products: Products, popular: Positions, amount: int, skew: float
) -> tuple[Positions, Positions]:
    near = (2 * amount) // 3
    far = amount - near
    seller = shop.rng.integers(len(products.pages), size=near)
    rank = (products.size[seller] * shop.rng.random(near) ** skew).astype(np.int64)
    neighbours = products.pages[products.first[seller] + rank]
    rank = (len(popular) * shop.rng.random(far) ** skew).astype(np.int64)
    sources = np.append(products.pages[seller], shop.rng.choice(shop.writers, far))
    return sources, np.append(neighbours, popular[rank])


def _distinct(keys: Positions) -> Positions:
    return keys[np.sort(np.unique(keys, return_index=True)[1])]
