"""Realistic websites of any size, drawn by a seeded generator: demo data and test data.

LAYOUT      A shop: home, departments, categories with paginated listings, products and their colour variants,
            reviews, a blog with its index, a menu and a footer on every page; and the flaws a link audit looks for:
            redirects, dead pages, canonicalised and noindex pages, PDF files, orphans (in the sitemap or in Search
            Console, never linked), targets that were never fetched.
LINKS       Structural links come first and keep every page but the orphans reachable.  The rest, up to exactly the
            number asked for, are "related" links whose targets follow a power law (a rank drawn as n * u^k, u
            uniform), two thirds of them within the same category.
SIZE        About links / (6 log10(links) - 6) pages: 1,000 links make some 80 pages, 1,000,000 some 33,000.
SEED        Everything is drawn from one generator seeded by (name, links, seed): equal input, equal site.
QUIRKS      As in real exports: a page that links to itself, links with an empty target, URLs with a comma, a
            quote, non-ASCII letters, pages without page type or canonical tag.
"""

import zlib
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipulate.engine.errors import Invalid
from pipulate.graph.sites import Positions, Site, link_site, reason

MIN_LINKS = 500


def _words(text: str) -> list[str]:
    return text.split()


ADJECTIVES = _words(
    "amber bold calm dusky early fresh green hardy ivory jade keen light mellow noble olive plain quiet rustic"
    " silver tidy urban vivid warm young"
)
NOUNS = _words(
    "apron basket chair drill easel flask glove hammock iron jacket kettle lamp mirror needle oven pillow quilt rug"
    " sofa table umbrella vase wardrobe zipper"
)
DEPARTMENTS = _words(
    "garden kitchen bedroom workshop office bathroom outdoor lighting textiles storage children pets sports music books"
)
MAIN_PAGES = _words(
    "about contact delivery returns terms privacy careers press stores help gift-cards sustainability newsletter"
)
PER_LISTING = 24  # products on one listing page
PER_INDEX = 12  # articles on one page of the blog's index
COUNTRIES = ("usa", "gbr", "fra", "deu")
DEVICES = ("desktop", "mobile", "tablet")


@dataclass(frozen=True)
class _Kind:
    """How all pages of one kind answer a crawler; `in_sitemap` is the share of them listed there."""

    pagetype: str
    in_sitemap: float = 0.0
    http_code: int = 200
    canonical: bool | None = True
    noindex: bool = False
    content_type: str = "text/html"


_KINDS = {
    "home": _Kind("home", in_sitemap=1),
    "main": _Kind("main", in_sitemap=0.9),
    "department": _Kind("category", in_sitemap=1),
    "category": _Kind("category", in_sitemap=1),
    "listing": _Kind("category/listing", in_sitemap=0.1),
    "filter": _Kind("category/filter", noindex=True),
    "product": _Kind("product", in_sitemap=0.95),
    "variant": _Kind("product/variant", in_sitemap=0.1, canonical=False),
    "review": _Kind("review", in_sitemap=0.3, canonical=None),
    "blog": _Kind("article/index", in_sitemap=0.5),
    "article": _Kind("article", in_sitemap=0.9),
    "file": _Kind("main", content_type="application/pdf", canonical=None),
    "orphan": _Kind("product", in_sitemap=0.9),
    "moved": _Kind("product", in_sitemap=0.15, http_code=301, canonical=None),
    "gone": _Kind("product", in_sitemap=0.1, http_code=404, canonical=None),
    "unfetched": _Kind("product", http_code=0, canonical=None),
}

_FAME = {
    "home": 40,
    "department": 8,
    "category": 4,
}  # how much more often than others such pages are shown


def generate_site(name: str, links: int, seed: int = 0) -> Site:
    """A realistic shop with exactly `links` distinct links, the same for the same arguments.

    Raises Invalid below 500 links: too few for one page of every kind.
    """
    check_size(links)
    links_per_page = 6 * np.log10(links) - 6
    rng = np.random.default_rng([zlib.crc32(name.encode()), links, seed])
    shop = _Shop(name, rng, pages=int(links / links_per_page))
    products = _lay_out(shop, links_per_page)
    sources, targets = _fill(shop, products, links)
    twice = rng.random(links) < 0.1  # the same link in the menu and in the text
    sources, targets = (
        np.concatenate([sources, sources[twice]]),
        np.concatenate([targets, targets[twice]]),
    )
    site = link_site(name, 0, _describe(shop), sources, targets)
    pages = _with_redirects(shop, site.pages)
    return replace(site, pages=pages, search=_search_console(shop, pages))


def check_size(links: int) -> None:
    """Raise Invalid if a site of so few links cannot be generated."""
    if links < MIN_LINKS:
        raise Invalid(f"A generated site needs at least {MIN_LINKS} links; {links} were asked for.")


@dataclass
class _Shop:
    """A site under construction: its pages in lists, its links in pairs of arrays."""

    name: str
    rng: np.random.Generator
    pages: int  # about how many pages are wanted
    urls: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    titles: list[str | None] = field(default_factory=list)
    variant_of: dict[int, int] = field(default_factory=dict)
    links: list[tuple[Positions, Positions]] = field(default_factory=list)

    def share(self, part: float) -> int:
        """A part of the wanted pages, at least one."""
        return max(1, round(part * self.pages))

    def add(self, kind: str, paths: list[str], titles: list[str] | None = None) -> Positions:
        """Append pages of one kind; returns their ids."""
        first = len(self.urls)
        self.urls += [f"https://www.{self.name}.example{path}" for path in paths]
        self.kinds += [kind] * len(paths)
        self.titles += titles or [None] * len(paths)
        return np.arange(first, len(self.urls))

    def link(self, sources: NDArray, targets: NDArray) -> None:
        """Append links pair by pair; one side may be a single page."""
        froms, tos = np.broadcast_arrays(sources, targets)
        self.links.append((froms, tos))

    def link_all(self, sources: NDArray, targets: NDArray) -> None:
        """Link each of the sources to each of the targets, but no page to itself."""
        froms, tos = np.repeat(sources, len(targets)), np.tile(targets, len(sources))
        self.links.append((froms[froms != tos], tos[froms != tos]))

    def path(self, page: int) -> str:
        return self.urls[page].split(".example", 1)[1]

    def of_kind(self, *kinds: str) -> Positions:
        return np.flatnonzero(np.isin(self.kinds, kinds))


@dataclass(frozen=True)
class _Products:
    """All products, category by category and best sellers first; for each one its category's start and size."""

    pages: Positions
    first: Positions
    size: Positions


def _lay_out(shop: _Shop, links_per_page: float) -> _Products:
    """Create all pages, and the links that hold the site together."""
    home = shop.add("home", ["/"], [f"{shop.name.title()}: things for the house"])
    names = MAIN_PAGES[: 3 + min(10, shop.pages // 100)]
    main = shop.add("main", [f"/{n}" for n in names], [n.title() for n in names])
    names = DEPARTMENTS[: max(3, min(15, int(np.log2(shop.pages)) - 2))]
    departments = shop.add("department", [f"/{n}/" for n in names], [n.title() for n in names])
    shop.link(home, main)
    shop.link(home, departments)
    products = _catalogue(shop, departments)
    best_sellers = products.pages[products.first == np.arange(len(products.first))]
    shop.link(home, best_sellers[:12])
    _variants_and_reviews(shop, products.pages)
    _blog(shop, home)

    in_menu = round(0.16 * links_per_page)
    menu = np.concatenate([home, departments[:in_menu], main[: in_menu // 2]])
    shop.link_all(shop.of_kind(*(kind for kind, k in _KINDS.items() if _is_page(k))), menu)
    _flaws(shop, products.pages)
    return products


def _is_page(kind: _Kind) -> bool:
    """Whether such a page has links of its own: it was answered, with HTML."""
    return kind.http_code == 200 and kind.content_type == "text/html"


def _name(number: int) -> str:
    """A pair of words for a number, distinct for distinct numbers."""
    pair = f"{ADJECTIVES[number % len(ADJECTIVES)]}-{NOUNS[number // len(ADJECTIVES) % len(NOUNS)]}"
    again = number // (len(ADJECTIVES) * len(NOUNS))
    return f"{pair}-{again}" if again else pair


def _title(number: int) -> str:
    return _name(number).replace("-", " ").capitalize()


def _catalogue(shop: _Shop, departments: Positions) -> _Products:
    """Categories of very unequal size, their products, and the listing pages that lead to them."""
    amount = max(len(departments), shop.share(0.03))
    parents = departments[np.arange(amount) % len(departments)]
    paths = [f"{shop.path(p)}{_name(n)}s/" for n, p in enumerate(parents)]
    categories = shop.add("category", paths, [f"{_title(n)}s" for n in range(amount)])
    shop.link(parents, categories)
    shop.link(categories, parents)

    weights = 1 / (np.arange(amount) + 4.0)
    sizes = 1 + shop.rng.multinomial(max(0, shop.share(0.56) - amount), weights / weights.sum())
    first = np.cumsum(sizes) - sizes
    owners = np.repeat(np.arange(amount), sizes)
    numbers = shop.rng.permutation(len(owners))
    paths = [
        f"{shop.path(categories[c])}{_name(n)}-p{10_000 + n}.html"
        for c, n in zip(owners, numbers, strict=True)
    ]
    paths[-1] = paths[-1].replace(".html", ",boxed.html")
    titles = [
        f"{_title(n)} | {shop.titles[categories[c]]}" for c, n in zip(owners, numbers, strict=True)
    ]
    products = shop.add("product", paths, titles)
    shop.link(products, categories[owners])
    shop.link(products, parents[owners])
    for category, start, size in zip(categories, first, sizes, strict=True):
        _listing(shop, category, products[start : start + size])
    for category, start, size in list(zip(categories, first, sizes, strict=True))[::3]:
        sorted_by_price = shop.add("filter", [f"{shop.path(category)}?sort=price"])
        shop.link(category, sorted_by_price)
        shop.link(sorted_by_price, products[start : start + min(size, PER_LISTING)])
    return _Products(products, np.repeat(first, sizes), np.repeat(sizes, sizes))


def _listing(shop: _Shop, category: int, products: Positions) -> None:
    """One category's products on numbered pages, which link to their neighbours, the first and the last."""
    numbers = range(2, 2 + (len(products) - 1) // PER_LISTING)
    titles = [f"{shop.titles[category]}, page {n}" for n in numbers]
    listings = shop.add("listing", [f"{shop.path(category)}?page={n}" for n in numbers], titles)
    series = np.concatenate([[category], listings])
    shop.link(series[np.arange(len(products)) // PER_LISTING], products)
    for step in (1, 2):
        shop.link(series[:-step], series[step:])
        shop.link(series[step:], series[:-step])
    shop.link(series[:-1], series[-1])
    shop.link(series[1:], series[0])


def _variants_and_reviews(shop: _Shop, products: Positions) -> None:
    """Colours of a product, canonicalised to it, and reviews; each linked from and to its product."""
    bases = shop.rng.choice(products, shop.share(0.05), replace=False)
    paths = [f"{shop.path(base)}?colour={ADJECTIVES[base % len(ADJECTIVES)]}" for base in bases]
    variants = shop.add("variant", paths, [str(shop.titles[base]) for base in bases])
    shop.variant_of.update(zip(variants.tolist(), bases.tolist(), strict=True))
    shop.link(bases, variants)
    shop.link(variants, bases)
    bases = shop.rng.choice(products, shop.share(0.04), replace=False)
    paths = [f"/reviews/{base}" for base in bases]
    reviews = shop.add("review", paths, [f"Review: {shop.titles[base]}" for base in bases])
    shop.link(bases, reviews)
    shop.link(reviews, bases)


def _blog(shop: _Shop, home: Positions) -> None:
    """Articles, newest first, and their paged index, whose first page also links to every tenth (an archive)."""
    amount = max(4, shop.share(0.14))
    paths = [f"/blog/{_name(7 * n)}-{n}.html" for n in range(amount)]
    titles = [f"How to choose a {_name(7 * n).replace('-', ' ')}" for n in range(amount)]
    paths[-1], titles[-1] = "/blog/café-crème.html", "Café crème, à la maison"
    paths[-2], titles[-2] = '/blog/the-"best"-chair.html', 'The "best" chair, tried'
    articles = shop.add("article", paths, titles)
    numbers = range(1, 2 + (amount - 1) // PER_INDEX)
    paths = ["/blog/" if n == 1 else f"/blog/page/{n}" for n in numbers]
    index = shop.add("blog", paths, [f"Blog, page {n}" for n in numbers])
    shop.link(home, index[:1])
    shop.link(home, articles[:3])
    shop.link(index[0], index[9::10])
    shop.link(index[:-1], index[1:])
    shop.link(index[1:], index[:-1])
    shop.link(index[np.arange(amount) // PER_INDEX], articles)
    shop.link(articles, index[0])
    shop.link(articles[:-1], articles[1:])


def _flaws(shop: _Shop, products: Positions) -> None:
    """Pages that an audit should find, and the quirks of real exports.  Orphans are the ones without a link."""
    writers = _writers(shop)
    for kind, share, path in (
        ("file", 0.005, "/files/manual-{}.pdf"),
        ("moved", 0.02, "/shop/item.php?id={}"),
        ("gone", 0.015, "/sale/offer-{}.html"),
        ("unfetched", 0.02, "/compare/{}"),
    ):
        pages = shop.add(kind, [path.format(n + 1) for n in range(shop.share(share))])
        for _ in range(2):
            shop.link(shop.rng.choice(writers, len(pages)), pages)
    amount = shop.share(0.02)
    shop.add(
        "orphan",
        [f"/archive/{_name(11 * n)}-{n}.html" for n in range(amount)],
        [_title(11 * n) for n in range(amount)],
    )
    shop.link(products[:2], products[:2])
    nowhere = shop.add("unfetched", [""])
    shop.urls[-1] = ""
    shop.link(shop.rng.choice(writers, 2, replace=False), nowhere)


def _writers(shop: _Shop) -> Positions:
    """The pages whose text may link to anything."""
    return shop.of_kind("product", "article", "review", "main")


def _fill(shop: _Shop, products: _Products, links: int) -> tuple[Positions, Positions]:
    """The structural links plus as many "related" ones as are missing, without repeats: `links` pairs of pages."""
    count = len(shop.urls)
    keys = np.concatenate([np.asarray(froms, np.int64) * count + tos for froms, tos in shop.links])
    keys = _distinct(keys)
    writers = _writers(shop)
    popular = shop.rng.permutation(np.concatenate([products.pages, shop.of_kind("article")]))
    skew = 3.0
    while len(keys) < links:
        wanted = int(1.2 * (links - len(keys))) + 10
        near = (2 * wanted) // 3
        seller = shop.rng.integers(len(products.pages), size=near)
        rank = products.first[seller] + (
            products.size[seller] * shop.rng.random(near) ** skew
        ).astype(np.int64)
        rank_far = (len(popular) * shop.rng.random(wanted - near) ** skew).astype(np.int64)
        sources = np.concatenate([products.pages[seller], shop.rng.choice(writers, wanted - near)])
        targets = np.concatenate([products.pages[rank], popular[rank_far]])
        mixed = shop.rng.permutation(np.flatnonzero(sources != targets))
        keys = _distinct(np.concatenate([keys, sources[mixed] * count + targets[mixed]]))
        skew = max(1.0, skew * 0.8)  # when the popular targets are used up, spread out
    keys = keys[:links]
    return keys // count, keys % count


def _distinct(keys: Positions) -> Positions:
    """The keys without repeats, each where it first stood."""
    return keys[np.sort(np.unique(keys, return_index=True)[1])]


def _describe(shop: _Shop) -> pl.DataFrame:
    """The pages' table: what their kind says, varied by chance."""
    rng, count = shop.rng, len(shop.urls)
    kinds = [_KINDS[kind] for kind in shop.kinds]
    code = np.array([kind.http_code for kind in kinds])
    code[(code == 404) & (rng.random(count) < 0.15)] = 410
    code[(code == 404) & (rng.random(count) < 0.1)] = 500
    code[(code == 301) & (rng.random(count) < 0.2)] = 302
    in_sitemap = rng.random(count) < [kind.in_sitemap for kind in kinds]
    canonical = pl.Series("canonical", [kind.canonical for kind in kinds], dtype=pl.Boolean)
    untagged = pl.Series((rng.random(count) < 0.05) & np.isin(shop.kinds, ["product", "article"]))
    unclassified = pl.Series((rng.random(count) < 0.01) | np.isin(shop.kinds, ["file"]))
    unclassified[0] = False
    executed = (code == 200) & np.isin(shop.kinds, ["product", "variant", "listing", "filter"])
    bases = [
        shop.urls[shop.variant_of[page]] if page in shop.variant_of else None
        for page in range(count)
    ]
    fetched = code > 0
    return (
        pl.DataFrame(
            {
                "url": shop.urls,
                "title": pl.Series(shop.titles, dtype=pl.String),
                "http_code": code,
                "content_type": [kind.content_type if kind.http_code else None for kind in kinds],
                "byte_size": np.where(fetched, rng.lognormal(10.5, 0.6, count).astype(np.int64), 0),
                "noindex": [kind.noindex for kind in kinds],
                "pagetype": [kind.pagetype for kind in kinds],
                "canonical": canonical,
                "variant_of": pl.Series(bases, dtype=pl.String),
                "sitemap": in_sitemap,
                "js_executed": executed,
                "js_succeeded": executed & (rng.random(count) < 0.97),
            }
        )
        .with_columns(
            pagetype=pl.when(~unclassified).then("pagetype"),
            canonical=pl.when(~untagged).then("canonical"),
            js_succeeded=pl.when("js_executed").then("js_succeeded"),
        )
        .with_columns(
            canonical_url=pl.when("canonical").then("url").otherwise("variant_of"), reason=reason()
        )
        .with_columns(compliant=pl.col("reason") == "Indexable")
        .drop("variant_of")
    )


def _with_redirects(shop: _Shop, pages: pl.DataFrame) -> pl.DataFrame:
    """Send every moved page to a product at most one click deeper, so that depth is the same with or without it."""
    moved = shop.of_kind("moved")
    products = shop.of_kind("product")
    depth = pages["depth"].to_numpy()
    products = products[np.argsort(depth[products], kind="stable")]
    within_reach = np.searchsorted(depth[products], depth[moved] + 1, side="right")
    goals = products[(shop.rng.random(len(moved)) * within_reach).astype(np.int64)]
    redirect: list[str | None] = [None] * len(pages)
    for page, goal in zip(moved, goals, strict=True):
        redirect[page] = shop.urls[goal]
    return pages.with_columns(pl.Series("redirect_url", redirect, dtype=pl.String))


def _search_console(shop: _Shop, pages: pl.DataFrame) -> pl.DataFrame:
    """Search Console rows: most compliant pages, half of the orphans, some moved pages, and URLs no crawl knows."""
    rng = shop.rng
    chance = (
        pl.when("compliant").then(0.85).when(pl.col("http_code") == 301).then(0.3).otherwise(0.0)
    )
    odds = pages.select(chance).to_series().to_numpy().copy()
    odds[shop.of_kind("orphan")] = 0.5
    known = np.flatnonzero(rng.random(len(odds)) < odds)
    lost = [
        f"https://www.{shop.name}.example/2019/{_name(13 * n)}-{n}.html"
        for n in range(shop.share(0.02))
    ]
    repeats = 1 + rng.binomial(2, 0.3, len(known) + len(lost))
    urls = np.repeat(np.array([shop.urls[page] for page in known] + lost, dtype=object), repeats)
    fame = np.repeat([_FAME.get(shop.kinds[page], 1) for page in known] + [1] * len(lost), repeats)
    count = len(urls)
    position = 1 + rng.lognormal(2.0, 0.8, count)
    return pl.DataFrame(
        {
            "url": pl.Series(urls, dtype=pl.String),
            "keyword": [
                _name(n).replace("-", " ")
                for n in rng.integers(len(ADJECTIVES) * len(NOUNS), size=count)
            ],
            "country": rng.choice(COUNTRIES, count, p=[0.6, 0.2, 0.1, 0.1]),
            "device": rng.choice(DEVICES, count, p=[0.35, 0.6, 0.05]),
            "impressions": fame * rng.pareto(1.1, count) * 20 / position,
            "click_rate": np.minimum(0.9, 0.3 / position * rng.lognormal(0, 0.4, count)),
            "position": position,
        }
    )
