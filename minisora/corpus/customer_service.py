"""Customer service: order state, refund, delivery, invoice, price, opening hours."""

from minisora.corpus.intents import DECLINE, Draft, Intent
from minisora.corpus.values import (
    CITIES,
    COLOURS,
    DATES,
    GOODS,
    city,
    city_dates,
    city_values,
    order,
    other_order,
    product,
)  # fmt: skip

STATES = {
    "待付款": "还没有付款", "待发货": "正在等待发货", "已发货": "已经发货", "运输中": "正在运输途中",
    "派送中": "正在派送", "已签收": "已经签收", "已取消": "已经取消", "退货中": "正在退货",
}  # fmt: skip
REFUNDS = {
    "审核中": "正在审核", "处理中": "正在处理", "已通过": "已经通过审核", "已到账": "已经到账",
    "已拒绝": "没有通过审核", "已撤销": "已经撤销",
}  # fmt: skip
INVOICES = {"电子": "电子发票", "纸质": "纸质发票", "专用": "专用发票", "普通": "普通发票"}
CARRIERS = ("迅达快递", "飞马快递", "大雁快递", "北斗快递", "长风快递")
STORES = ("东城", "西城", "南城", "北城", "城东", "城西", "城南", "城北", "人民路", "中山路", "解放路", "和平路",
          "建设路", "新华路", "湖滨", "江滨", "火车站", "大学城", "科技园", "步行街")  # fmt: skip

ORDER_STATE = "订单{order}的{noun}{state}。"
REFUND = "订单{order}的{noun}退款{state}。"
DELIVERY = "订单{order}预计{date}送到{city}。"
INVOICE = "{product}可以开{invoice}。"
PRICE = "{colour}{product}的价格是{price}元。"
PRICE_LIST = "{product}的价格是{price}元。"
HOURS = "{store}店{opens}点开门，{closes}点关门。"

ORDER_STATE_TEMPLATES = (
    "订单 {order} 到 哪 了？",
    "我 的 订单 {order} 到 哪 了？",
    "订单 {order} 现在 什么 状态？",
    "我 的 订单 {order} 是 什么 状态？",
    "订单 {order} 发货 了 吗？",
    "{order} 这个 订单 发货 了 吗？",
    "{order} 这个 订单 现在 怎么样 了？",
    "我 的 订单 {order} 怎么样 了？",
    "订单号 {order} ， 现在 是 什么 状态？",
    "订单号 是 {order} ， 到 哪 了 呀？",
    "查 一下 订单 {order}。",
    "查 一下 我 的 订单 {order} 的 状态。",
    "我想知道 订单 {order} 到 哪 了。",
    "我想知道 {order} 这个 订单 的 状态。",
    "告诉我 订单 {order} 的 状态。",
    "告诉我 订单号 {order} 发货 了 没有。",
    "{order} 这个 订单 发货 了 没有 呀？",
)
REFUND_TEMPLATES = (
    "订单 {order} 的 退款 到账 了 吗？",
    "我 的 订单 {order} 退款 到账 没有？",
    "订单 {order} 退款 怎么样 了？",
    "{order} 这个 订单 的 退款 怎么样 了？",
    "{order} 这个 订单 退款 到 哪 一步 了？",
    "订单 {order} 的 退款 到 哪 一步 了？",
    "我 的 订单 {order} 退款 进度 如何？",
    "订单号 {order} ， 退款 进度 怎么样？",
    "订单号 是 {order} ， 退款 到账 了 没有？",
    "{order} 的 退款 进度 如何 呀？",
    "查 一下 订单 {order} 的 退款。",
    "查 一下 {order} 这个 订单 的 退款 进度。",
    "我想知道 订单 {order} 的 退款 进度。",
    "我想知道 {order} 的 退款 到账 了 没有。",
    "告诉我 订单 {order} 退款 到 哪 一步 了。",
    "告诉我 订单号 {order} 的 退款 进度。",
)
DELIVERY_TEMPLATES = (
    "订单 {order} 什么 时候 能 到？",
    "我 的 订单 {order} 哪天 能 到？",
    "订单 {order} 哪天 送到？",
    "{order} 这个 订单 什么 时候 送到？",
    "{order} 这个 订单 还要 多久 能 到？",
    "我 的 订单 {order} 还要 多久 送到？",
    "订单号 {order} ， 预计 什么 时候 到？",
    "订单号 是 {order} ， 预计 哪天 能 到 呀？",
    "订单 {order} 预计 哪天 到 呢？",
    "我 的 订单 {order} 什么 时候 送到 呢？",
    "查 一下 订单 {order} 哪天 能 到。",
    "查 一下 {order} 这个 订单 什么 时候 送到。",
    "我想知道 订单 {order} 还要 多久 到。",
    "我想知道 {order} 这个 订单 预计 哪天 送到。",
    "告诉我 订单 {order} 什么 时候 能 到。",
    "告诉我 订单号 {order} 预计 哪天 送到。",
)
INVOICE_TEMPLATES = (
    "{product} 能 开 发票 吗？",
    "{product} 可以 开 发票 吗？",
    "买 {product} 能 开 什么 发票？",
    "买 {product} 可以 开 哪种 发票？",
    "{product} 能 开 哪种 发票 呀？",
    "{product} 的 发票 是 哪种？",
    "我 买 了 {product} ， 能 开 发票 吗？",
    "我 买 了 {product} ， 可以 开 什么 发票？",
    "{product} 给 开 发票 吗？",
    "买 {product} 给 开 什么 发票？",
    "我 买 的 {product} 能不能 开 发票？",
    "{product} 能不能 开 发票 呀？",
    "查 一下 {product} 能 开 什么 发票。",
    "查 一下 {product} 可以 开 哪种 发票。",
    "我想知道 买 {product} 能不能 开 发票。",
    "告诉我 {product} 能 开 哪种 发票。",
)
PRICE_TEMPLATES = (
    "{colour} {product} 多少 钱？",
    "{colour} 的 {product} 多少 钱？",
    "{colour} {product} 怎么 卖？",
    "{colour} 的 {product} 怎么 卖 呀？",
    "{colour} {product} 的 价格 是 多少？",
    "{product} {colour} 的 多少 钱？",
    "{product} {colour} 的 怎么 卖？",
    "{colour} {product} 什么 价格？",
    "{colour} 的 {product} 是 什么 价格 啊？",
    "我 想 买 {colour} 的 {product} ， 多少 钱？",
    "我 想 买 {colour} {product} ， 什么 价格？",
    "{colour} {product} 卖 多少 钱 啊？",
    "查 一下 {colour} {product} 的 价格。",
    "我想知道 {colour} 的 {product} 多少 钱。",
    "告诉我 {colour} 的 {product} 的 价格。",
    "查 一下 {product} {colour} 的 多少 钱。",
)
PRICE_LIST_TEMPLATES = (
    "{product} 多少 钱？",
    "{product} 怎么 卖？",
    "{product} 的 价格 是 多少？",
    "{product} 什么 价格？",
    "{product} 是 什么 价格 呀？",
    "{product} 卖 多少 钱 啊？",
    "我 想 买 {product} ， 多少 钱？",
    "我 想 买 {product} ， 什么 价格 呢？",
    "你们 的 {product} 怎么 卖 呀？",
    "你们 的 {product} 多少 钱 呢？",
    "买 {product} 要 多少 钱？",
    "买 一个 {product} 要 多少 钱 呀？",
    "一个 {product} 多少 钱？",
    "查 一下 {product} 的 价格。",
    "我想知道 {product} 多少 钱。",
    "告诉我 {product} 的 价格。",
    "查 一下 {product} 卖 多少 钱。",
)
HOURS_TEMPLATES = (
    "{store} 店 几点 开门？",
    "{store} 店 几点 关门？",
    "{store} 店 的 营业 时间 是 几点？",
    "{store} 店 什么 时候 开门？",
    "{store} 店 营业 到 几点？",
    "你们 {store} 店 几点 开门 呀？",
    "你们 {store} 店 什么 时候 关门？",
    "你们 {store} 店 营业 到 几点 呢？",
    "{store} 店 是 几点 到 几点 营业？",
    "{store} 店 每天 几点 开门 呢？",
    "{store} 店 每天 营业 到 什么 时候？",
    "{store} 店 的 营业 时间 是 什么 时候 呀？",
    "查 一下 {store} 店 的 营业 时间。",
    "我想知道 {store} 店 几点 关门。",
    "告诉我 {store} 店 的 营业 时间。",
    "告诉我 你们 {store} 店 每天 几点 开门。",
)

OPTIONAL_PERCENT = 35
DECLINED_PERCENT = 26


def order_values(*numbers):
    return tuple(("order", number) for number in numbers)


def price(dice):
    """Draw a price, most of them below 100 or ending in 9."""
    return str(dice.choice((dice.between(5, 99), 10 * dice.between(10, 99) + 9, dice.between(100, 999))))


def order_facts(dice, number, needed):
    """Return the facts of an order: the needed ones, and some that the answer does not need."""
    optional = {"快递": dice.choice(CARRIERS), "价格": f"{price(dice)}元", "颜色": dice.choice(COLOURS)}
    facts = {"订单": number, **needed}
    facts.update((key, value) for key, value in optional.items() if key not in facts and dice.chance(OPTIONAL_PERCENT))
    return facts


def order_draft(dice, needed, pattern, pairs, *, key, fields, values=()):
    """Return a draft about one order, declined where the context tells of another order, or not what is asked."""
    number = asked = order(dice)
    context = order_facts(dice, number, needed)
    miss = dice.choice(("order", "order", "fact", "context")) if dice.chance(DECLINED_PERCENT) else None
    if miss == "order":
        asked = other_order(dice, number)
    elif miss == "fact":
        del context[key]
    elif miss == "context":
        context = {}
    if dice.chance(30):
        context = {key: context[key] for key in dice.shuffled(context)}
    matter = (*order_values(number), *values)
    return Draft(
        {"order": asked},
        DECLINE if miss else pattern.format(order=asked, **fields),
        slots=(*sorted(context.items()), asked),
        context=context,
        pairs=() if miss else pairs,
        pairs_beside=pairs if context else (),
        values=() if miss else matter,
        values_beside=(*order_values(asked), *(matter if context else ())),
        answerable=miss is None,
    )


def draw_order_state(dice, template):
    noun, state = dice.choice(GOODS), dice.choice(tuple(STATES))
    pairs = (("noun", noun, "state", state),)
    fields = {"noun": noun, "state": STATES[state]}
    return order_draft(dice, {"商品": noun, "状态": state}, ORDER_STATE, pairs, key="状态", fields=fields)


def draw_refund(dice, template):
    noun, state = dice.choice(GOODS), dice.choice(tuple(REFUNDS))
    pairs = (("noun", noun, "refund", state),)
    fields = {"noun": noun, "state": REFUNDS[state]}
    return order_draft(dice, {"商品": noun, "退款": state}, REFUND, pairs, key="退款", fields=fields)


def draw_delivery(dice, template):
    town, date = city(dice), dice.choice(DATES)
    pairs, values = city_dates([town], [date]), city_values(town)
    fields = {"date": date, "city": town}
    return order_draft(dice, {"送达": date, "地址": town}, DELIVERY, pairs, key="送达", fields=fields, values=values)


def draw_invoice(dice, template):
    modifier, noun = product(dice)
    name, invoice = modifier + noun, dice.choice(tuple(INVOICES))
    context = {"商品": name, "发票": invoice}
    if dice.chance(OPTIONAL_PERCENT):
        context["价格"] = f"{price(dice)}元"
    fields = {"product": name}
    pairs = (("noun", noun, "invoice", invoice),)
    answer = INVOICE.format(**fields, invoice=INVOICES[invoice])
    return product_draft(dice, context, fields, answer, pairs, (modifier, noun), key="发票")


def draw_price(dice, template):
    modifier, noun = product(dice)
    name, colour, cost = modifier + noun, dice.choice(COLOURS), price(dice)
    context = {"商品": name, "颜色": colour, "价格": f"{cost}元"}
    if dice.chance(OPTIONAL_PERCENT):
        context["发票"] = dice.choice(tuple(INVOICES))
    fields = {"product": name, "colour": colour}
    pairs = (("noun", noun, "colour", colour),)
    answer = PRICE.format(**fields, price=cost)
    return product_draft(dice, context, fields, answer, pairs, (modifier, noun), key="价格")


def product_draft(dice, context, fields, answer, pairs, name, *, key):
    """Return a draft about one product, declined where the context tells of another, or not what is asked."""
    kinds = ("product", "colour", "fact", "context") if "colour" in fields else ("product", "fact", "context")
    miss = dice.choice(kinds) if dice.chance(DECLINED_PERCENT) else None
    asked, asked_pairs = name, ()
    if miss == "product":
        asked = other_product(dice, name)
        fields = {**fields, "product": "".join(asked)}
    elif miss == "colour":
        fields = {**fields, "colour": dice.other(COLOURS, fields["colour"])}
    elif miss == "fact":
        context = {other: value for other, value in context.items() if other != key}
    elif miss == "context":
        context = {}
    if "colour" in fields:
        asked_pairs = (("noun", asked[1], "colour", fields["colour"]),)
    if dice.chance(30):
        context = {other: context[other] for other in dice.shuffled(context)}
    matter = (("product", *name),)
    return Draft(
        fields,
        DECLINE if miss else answer,
        slots=(*sorted(context.items()), *fields.values()),
        context=context,
        pairs=() if miss else pairs,
        pairs_beside=(*asked_pairs, *(pairs if context else ())),
        values=() if miss else matter,
        values_beside=(("product", *asked), *(matter if context else ())),
        answerable=miss is None,
    )


def other_product(dice, name):
    """Draw another product, half of them with the same noun or the same modifier."""
    while True:
        modifier, noun = product(dice)
        other = dice.choice(((modifier, noun), (modifier, name[1]), (name[0], noun)))
        if other != name:
            return other


def draw_price_list(dice, template):
    """Draw a list of two to four prices: look one up among its like."""
    names = []
    while len(names) < 5:
        if (name := other_product(dice, names[0]) if names else product(dice)) not in names:
            names.append(name)
    told = names[: dice.between(2, 4)]
    prices = {"".join(name): price(dice) for name in told}
    miss = dice.chance(DECLINED_PERCENT)
    asked = names[4] if miss else dice.choice(told)
    product_name = "".join(asked)
    context = {name: f"{cost}元" for name, cost in prices.items()}
    fields = {"product": product_name}
    return Draft(
        fields,
        DECLINE if miss else PRICE_LIST.format(**fields, price=prices[product_name]),
        slots=(*sorted(context.items()), product_name),
        context=context,
        values=() if miss else (("product", *asked),),
        values_beside=tuple(("product", *name) for name in (*told, asked)),
        answerable=not miss,
    )


def draw_hours(dice, template):
    store, opens, closes = dice.choice(STORES), str(dice.between(6, 11)), str(dice.between(17, 23))
    context = {"门店": store, "开门": f"{opens}点", "关门": f"{closes}点"}
    if dice.chance(OPTIONAL_PERCENT):
        context["城市"] = dice.choice(CITIES)
    asked = store
    miss = dice.choice(("store", "store", "fact", "context")) if dice.chance(DECLINED_PERCENT) else None
    if miss == "store":
        asked = dice.other(STORES, store)
    elif miss == "fact":
        del context["开门"], context["关门"]
        context["电话"] = str(dice.between(10000000, 99999999))
    elif miss == "context":
        context = {}
    if dice.chance(30):
        context = {key: context[key] for key in dice.shuffled(context)}
    pairs = (("opens", opens, "closes", closes),) if "开门" in context else ()
    return Draft(
        {"store": asked},
        DECLINE if miss else HOURS.format(store=asked, opens=opens, closes=closes),
        slots=(*sorted(context.items()), asked),
        context=context,
        pairs=() if miss else pairs,
        pairs_beside=pairs,
        answerable=miss is None,
    )


INTENTS = (
    Intent("customer_service.order_state", ORDER_STATE_TEMPLATES, draw_order_state, 4),
    Intent("customer_service.refund", REFUND_TEMPLATES, draw_refund, 4),
    Intent("customer_service.delivery", DELIVERY_TEMPLATES, draw_delivery, 4),
    Intent("customer_service.invoice", INVOICE_TEMPLATES, draw_invoice, 3),
    Intent("customer_service.price", PRICE_TEMPLATES, draw_price, 3),
    Intent("customer_service.price_list", PRICE_LIST_TEMPLATES, draw_price_list, 4),
    Intent("customer_service.hours", HOURS_TEMPLATES, draw_hours, 3),
)
ANSWERS = (ORDER_STATE, REFUND, DELIVERY, INVOICE, PRICE, PRICE_LIST, HOURS)
WORDS = (
    *STATES, *STATES.values(), *REFUNDS, *REFUNDS.values(), *INVOICES, *INVOICES.values(), *CARRIERS, *STORES,
    "订单商品状态退款送达地址发票价格颜色快递门店开门关门城市电话元点",
)  # fmt: skip
