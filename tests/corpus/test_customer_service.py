"""Customer service: numbers are copied, near misses are declined."""

from itertools import islice

from minisora.corpus import parse_source, stream
from minisora.corpus.customer_service import INVOICES, REFUNDS, STATES
from minisora.corpus.dice import Dice
from minisora.corpus.values import order, other_order

EXAMPLES = [drawn for drawn in islice(stream(5), 10_000) if drawn.scenario == "customer_service"]
KEYS = {"order_state": ("状态", STATES), "refund": ("退款", REFUNDS), "invoice": ("发票", INVOICES)}


def test_answers_tell_the_state_in_the_context():
    for drawn in EXAMPLES:
        context, _ = parse_source(drawn.source)
        key, words = KEYS.get(drawn.intent.split(".")[1], (None, None))
        if drawn.answerable and key:
            assert words[context[key]] in drawn.target
            assert context["商品"] in drawn.target


def test_numbers_are_copied():
    for drawn in EXAMPLES:
        context, _ = parse_source(drawn.source)
        if not drawn.answerable:
            continue
        if "订单" in context:
            assert f"订单{context['订单']}" in drawn.target
        if drawn.intent == "customer_service.price":
            assert f"{context['商品']}的价格是{context['价格']}。" in drawn.target
        if drawn.intent == "customer_service.hours":
            assert drawn.target == f"{context['门店']}店{context['开门']}开门，{context['关门']}关门。"


def test_a_price_is_looked_up_among_its_like():
    lists = [drawn for drawn in EXAMPLES if drawn.intent == "customer_service.price_list"]
    assert {len(parse_source(drawn.source)[0]) for drawn in lists} == {2, 3, 4}
    for drawn in lists:
        context, (question,) = parse_source(drawn.source)
        asked = [name for name in context if name in question]
        assert len(asked) == drawn.answerable
        if asked:
            assert drawn.target == f"{asked[0]}的价格是{context[asked[0]]}。"


def test_a_declined_order_is_another_or_lacks_what_is_asked():
    needs = {"order_state": "状态", "refund": "退款", "delivery": "送达"}
    for drawn in EXAMPLES:
        context, (question,) = parse_source(drawn.source)
        kind = drawn.intent.split(".")[1]
        if kind in needs:
            answered = needs[kind] in context and context["订单"] in question
            assert answered is drawn.answerable, drawn


def test_half_of_the_other_orders_differ_in_one_digit():
    dice = Dice("orders")
    near = 0
    for _ in range(1_000):
        number = order(dice)
        other = other_order(dice, number)
        assert other != number
        near += sum(a != b for a, b in zip(number, other, strict=True)) == 1
    assert 430 < near < 570
