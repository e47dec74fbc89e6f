"""Explore: any question to Prometheus, answered as a plot or a table."""

from cells import controls
from cells.cell import Layer, Row
from cells.exploration import Exploration
from cells.explore import explore
from cells.show import end, headline, plot, table
from cells.views import promql
from data_sources import ask
from data_sources.promql_query import Explained, Library, Metrics
from headlines.explore import explore as has

asked = controls.asked(Exploration)

headline(has, metrics=Metrics(), library=Library())

if ask.desk().cluster(controls.current().scope.cluster).prometheus is None:
    end()

explore(asked)

if asked.instant:
    for letter, query in asked.queries.items():
        table(
            f"values_{letter}", f"Values of {letter}", "At the end of the range, a row a series.", query, promql.values
        )
elif asked.queries:
    plot(
        "explored",
        "Over time",
        "Drag over it to zoom. A name in the legend hides its series, and shows them again.",
        Row("", tuple(Layer(query, asked.chart, letter) for letter, query in asked.queries.items())),
    )

if asked.explain:
    table(
        "explained",
        f"{asked.explain} explained",
        "Each part by itself: where series or labels go missing is where to look.",
        Explained(asked.letters[asked.explain]),
        promql.explained,
    )

table(
    "library",
    "Library",
    "Queries worth knowing, of what is here. Each opens, to be changed.",
    Library(),
    promql.named_queries,
)
