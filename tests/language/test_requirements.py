"""What definitions read."""

from __future__ import annotations

from audiences.language.parse import parse
from audiences.language.requirements import Requirements, references, requirements
from audiences.language.walk import walk

FUNNEL = """
    event('Product Added').where(
        property('price') > trait('avg_price')
        AND context('page.url').contains('shop')
        AND event('Order Completed').where(property('cart_id') = property(parent: 'cart')).count() = 0
    ).sources({exclude: 'test'}).sum(property('items.$.quantity')) >= 1
    OR NOT (trait('address.city').one_of('Paris', trait('home_town')))
"""


def test_everything_a_definition_reads_is_found() -> None:
    assert requirements(parse(FUNNEL)) == Requirements(
        events=frozenset({"Product Added", "Order Completed"}),
        properties=frozenset({("price",), ("cart_id",), ("cart",), ("items", "$", "quantity")}),
        contexts=frozenset({("page", "url")}),
        traits=frozenset({("avg_price",), ("address", "city"), ("home_town",)}),
        source_ids=True,
    )


def test_a_trait_alone_needs_no_events() -> None:
    assert requirements(parse("trait('plan')")) == Requirements(traits=frozenset({("plan",)}))


def test_reducers_and_users_are_looked_into() -> None:
    found = requirements(parse("ANY (event('Login').mode(context('ip')) = 'x')"))

    assert found == Requirements(events=frozenset({"Login"}), contexts=frozenset({("ip",)}))


def test_references_are_the_known_keys_sorted() -> None:
    keys = {"home_town", "avg_price", "address", "unused"}

    assert references(parse(FUNNEL), keys) == ("address", "avg_price", "home_town")
    assert references(parse(FUNNEL), ()) == ()
    assert references(parse("event('unused').count()"), keys) == ()


def test_walking_visits_nodes_in_the_order_of_the_text() -> None:
    text = "trait('a') = 1 AND event('x').where(property('p') > 2).sum(property('q')) < trait('b')"
    starts = [node.span.start for node in walk(parse(text)) if node.span is not None]

    assert starts == sorted(starts)
    assert len(starts) > 10
