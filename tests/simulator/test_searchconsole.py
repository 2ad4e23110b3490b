"""Search Console: days add up to periods, dimensions to their sum, and metrics are weighted."""

from datetime import date, timedelta

import pytest

from pipulate.simulator.datamodel import Needs
from pipulate.simulator.generated import generate_site
from pipulate.simulator.searchconsole import search_rows
from tests.simulator import examples
from tests.simulator.examples import PAGES, S, X, rows

SEARCH = generate_site("shop", 3_000).search
DAYS = [date(2024, 2, 1) + timedelta(n) for n in range(6)]
CONSOLE = ["search_console"]


def test_days_add_up_to_their_period():
    """The numbers of a period are the sums over its days, and the same each time."""
    needs = Needs()
    whole = search_rows(SEARCH, DAYS, needs)
    days = [search_rows(SEARCH, [day], needs) for day in DAYS]
    assert whole["impressions"].sum() == sum(day["impressions"].sum() for day in days) > 0
    assert whole["clicks"].sum() == sum(day["clicks"].sum() for day in days) > 0
    assert (whole["clicks"] <= whole["impressions"]).all()
    assert whole["url"].is_unique().all()
    assert whole.equals(search_rows(SEARCH, DAYS, needs))


def test_dimensions_split_rows_without_changing_sums():
    """Asking for keyword, device and date gives more rows with the same totals."""
    split = search_rows(SEARCH, DAYS, Needs({"keyword", "device", "date"}, {"keywords"}))
    assert split["impressions"].sum() == search_rows(SEARCH, DAYS, Needs())["impressions"].sum()
    assert split.select("url", "keyword", "device", "date").is_unique().all()
    assert set(split["date"]) == {day.isoformat() for day in DAYS}


def test_weekends_are_quieter():
    """Numbers follow the week."""

    def impressions(day: date) -> int:
        return search_rows(SEARCH, [day], Needs())["impressions"].sum()

    saturday = DAYS[2]
    tuesday = DAYS[5]
    assert impressions(saturday) < impressions(tuesday)


def test_search_console_metrics_are_weighted_sums():
    """ctr is clicks per impression in percent, the position is weighted by impressions."""
    names = ("count_impressions", "count_clicks", "ctr", "avg_position", "count_keywords")
    metrics = [f"{S}.{name}" for name in names]
    ((impressions, clicks, ctr, position, keywords),) = rows([], metrics, CONSOLE, examples.DAYS)
    each = rows(["keyword", "url"], metrics, CONSOLE, examples.DAYS)
    assert impressions == sum(row[2] for row in each)
    assert clicks == sum(row[3] for row in each)
    assert ctr == pytest.approx(100 * clicks / impressions)
    assert position == pytest.approx(sum(row[2] * row[5] for row in each) / impressions)
    assert keywords == 3


def test_a_date_dimension_splits_a_period():
    """One row a day; days without data are not there."""
    metrics = [f"{S}.count_impressions"]
    days = rows(["period_0.date"], metrics, CONSOLE, [["2024-02-26", "2024-03-09"]], sort=[0])
    ((whole,),) = rows([], metrics, CONSOLE, [["2024-02-26", "2024-02-29"]])
    assert [day for day, _ in days] == ["2024-02-26", "2024-02-27", "2024-02-28", "2024-02-29"]
    assert sum(count for _, count in days) == whole


def test_a_period_without_data_has_no_rows():
    """Before the first day of the data there is nothing; crawl rows stay."""
    before = [["2020-01-01", "2020-01-02"]]
    assert rows(["url"], [], CONSOLE, before) == []
    assert rows(["period_0.date"], [], CONSOLE, before) == []
    fetched = [(url, 0) for url, code, *_ in PAGES if code]
    assert rows(["url"], [f"{S}.count_clicks"], [X, *CONSOLE], before) == fetched
