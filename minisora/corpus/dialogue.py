"""Dialogue: questions that lean on earlier turns, and slots filled turn by turn.

Only what the user says is in the source: what the assistant answered follows from it.
"""

from minisora.corpus import weather
from minisora.corpus.customer_service import CARRIERS, INVOICES, STATES, order_values, price
from minisora.corpus.intents import DECLINE, Draft, Intent
from minisora.corpus.values import COLOURS, DATES, city, city_dates, city_values, order, other_city, other_order

TURNS = (2, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4)  # in training
LONG_TURNS = (5, 6)  # only in the split len
LONG_PERCENT = 8
DECLINED_PERCENT = 26

KINDS = {  # of weather questions: the answer's pattern, and whether the facts are skies or degrees
    "weather.rain": (weather.rain, "sky"),
    "weather.umbrella": (weather.umbrella, "sky"),
    "weather.temperature": (weather.temperature, "degrees"),
    "weather.clothing": (weather.clothing, "degrees"),
}
OPENINGS = {
    intent.name: [template for template in intent.training if "city" in template.fields]
    for intent in weather.INTENTS
    if intent.name in KINDS
}

DETAIL = "订单{order}的{key}是{value}。"
TICKET = "好的，为您预订{date}{start}到{end}的{count}张{vehicle}。"
ASK_DATE = "请问您要订哪天的{vehicle}？"
ASK_TICKETS = "请问您要几张{vehicle}？"
TABLE = "好的，为您预订{date}{time}{count}位的座位。"
ASK_TIME = "请问您几点来用餐？"
ASK_PEOPLE = "请问您几位用餐？"

DATE_TEMPLATES = (
    "那 {date} 呢？",
    "{date} 呢？",
    "那 {date} 怎么样？",
    "{date} 怎么样？",
    "换成 {date} 呢？",
    "那 换成 {date} 呢？",
    "要是 {date} 呢？",
    "那 要是 {date} 怎么样？",
    "{date} 的 呢？",
    "那 {date} 的 怎么样？",
    "再 看看 {date} 呢？",
    "要是 换成 {date} 怎么样？",
    "再 看看 {date} 的。",
    "再 说说 {date} 的 吧。",
    "那 说说 {date} 吧。",
    "看看 {date} 的 吧。",
)
CITY_TEMPLATES = tuple(text.replace("{date}", "{city}") for text in DATE_TEMPLATES)
DETAIL_TEMPLATES = (
    "那 {key} 呢？",
    "{key} 呢？",
    "它 的 {key} 呢？",
    "那 它 的 {key} 呢？",
    "{key} 是 什么？",
    "它 的 {key} 是 什么？",
    "这个 订单 的 {key} 呢？",
    "这个 订单 的 {key} 是 什么 呀？",
    "{key} 又 是 什么 呢？",
    "那 {key} 又 是 什么？",
    "还有 {key} 呢？",
    "还有 它 的 {key} 呢？",
    "再 查 一下 {key}。",
    "再 查 一下 它 的 {key}。",
    "顺便 查 一下 {key} 吧。",
    "顺便 再 查 一下 这个 订单 的 {key}。",
    "顺便 说 一下 {key}。",
    "再 说 一下 它 的 {key} 吧。",
)
NUMBER_FIRST = (
    "订单{order}到哪了？",
    "我的订单是{order}。",
    "查一下订单{order}。",
    "订单号是{order}。",
    "我想问问订单{order}。",
)
TICKET_TEMPLATES = (
    "我 想 订 {start} 到 {end} 的 {vehicle}。",
    "我 要 订 {start} 到 {end} 的 {vehicle}。",
    "我 想 买 从 {start} 到 {end} 的 {vehicle}。",
    "我 要 买 {start} 去 {end} 的 {vehicle}。",
    "能 帮 我 订 从 {start} 到 {end} 的 {vehicle} 吗？",
    "能 帮 我 买 {start} 到 {end} 的 {vehicle} 吗？",
    "可以 订 {start} 去 {end} 的 {vehicle} 吗？",
    "可以 帮 我 订 {vehicle} 吗 ， 从 {start} 到 {end}？",
    "能 订 {vehicle} 吗 ，{start} 到 {end} 的？",
    "我 从 {start} 去 {end} ， 想 订 {vehicle}。",
    "我 要 从 {start} 去 {end} ， 帮 我 买 {vehicle} 吧。",
    "从 {start} 到 {end} 的 {vehicle} ， 帮 我 订 一下。",
    "帮 我 订 一下 {start} 到 {end} 的 {vehicle}。",
    "帮 我 买 从 {start} 去 {end} 的 {vehicle} 吧。",
    "我 想 订 {vehicle} ， 从 {start} 去 {end}。",
)
TABLE_TEMPLATES = (
    "我 想 订 {date} 的 座位。",
    "我 要 订 {date} 的 位子。",
    "能 订 {date} 的 座位 吗？",
    "可以 订 {date} 的 位子 吗？",
    "{date} 还 能 订 座位 吗？",
    "{date} 还 有 座位 吗？",
    "{date} 还 有 位子 可以 订 吗？",
    "能 帮 我 订 {date} 的 座位 吗？",
    "可以 帮 我 订 个 {date} 的 位子 吗？",
    "我 想 在 {date} 订 个 座位。",
    "我 要 在 {date} 订 位子 ， 可以 吗？",
    "帮 我 订 {date} 的 座位 吧。",
    "帮 我 订 个 {date} 的 位子。",
    "我 {date} 来 吃饭 ， 想 订 座位。",
    "我们 {date} 来 吃饭 ， 帮 我 订 个 位子 吧。",
    "我们 {date} 想 来 吃饭 ， 还 有 座位 吗？",
)

VEHICLES = ("火车票", "机票", "高铁票", "汽车票")
TICKET_COUNTS = ("一", "两", "三", "四", "五", "六")
PEOPLE = ("两", "三", "四", "五", "六", "七", "八", "十")
TIMES = ("中午十二点", "中午一点", "下午五点", "下午六点", "晚上六点", "晚上七点", "晚上八点", "晚上九点")
SAY = {
    "date": ("{date}的。", "{date}走。", "{date}出发。", "要{date}的。"),
    "new_date": ("改成{date}吧。", "还是{date}吧。", "不，改到{date}。", "换成{date}的吧。"),
    "tickets": ("{count}张。", "要{count}张。", "{count}张就行。", "买{count}张。"),
    "new_tickets": ("改成{count}张吧。", "还是{count}张吧。", "不，要{count}张。", "换成{count}张吧。"),
    "time": ("{time}。", "{time}到。", "我们{time}来。", "{time}吧。"),
    "new_time": ("改成{time}吧。", "还是{time}吧。", "不，改到{time}。", "换成{time}吧。"),
    "people": ("{count}位。", "{count}个人。", "一共{count}位。", "我们{count}个人。"),
    "new_people": ("改成{count}位吧。", "还是{count}个人吧。", "不，一共{count}位。", "换成{count}位吧。"),
}


def draw_length(dice):
    """Draw the number of turns, rarely more than training has."""
    return dice.choice(LONG_TURNS if dice.chance(LONG_PERCENT) else TURNS)


def wander(dice, values, steps):
    """Return a walk over values that never stays where it is."""
    walk = [dice.choice(values)]
    while len(walk) < steps:
        walk.append(dice.other(values, walk[-1]))
    return walk


def fact(dice, unit):
    """Draw a sky or a temperature: how the context writes it, and what the answers say of it."""
    sky, warmth = weather.draw_sky_and_temperature(dice)
    return sky if unit == "sky" else f"{warmth}度", weather.describe(sky, warmth), sky


def draw_days(dice, template):
    """Draw one city and two or three days: 今天北京要带伞吗？ 那明天呢？"""
    town, days = city(dice), dice.sample(DATES, 4)
    return draw_ellipsis(dice, [(town, day) for day in days], {"城市": town}, "date")


def draw_cities(dice, template):
    """Draw one day and two or three cities: 今天北京要带伞吗？ 那上海呢？"""
    date, towns = dice.choice(DATES), [city(dice)]
    while len(towns) < 4:
        if (town := city(dice)) not in towns:
            towns.append(town)
    return draw_ellipsis(dice, [(town, date) for town in towns], {"日期": date}, "city")


def draw_ellipsis(dice, places, shared, field):
    """Draw a question about one of the places, each a (city, date), and a walk to others; the last is answered."""
    unit = dice.choice(("sky", "degrees"))
    name = dice.choice([name for name, (_, kind_unit) in KINDS.items() if kind_unit == unit])
    told = places[: dice.between(2, 3)]
    facts = {place: fact(dice, unit) for place in told}
    turns = draw_length(dice)
    walk = wander(dice, told, turns)
    miss = dice.chance(DECLINED_PERCENT)
    if miss:
        walk[-1] = places[3]
    which = 0 if field == "city" else 1
    context = {**shared, **{place[which]: facts[place][0] for place in told}}
    town, date = walk[-1]
    opening = dice.choice(OPENINGS[name]).text.format(city=walk[0][0], date=walk[0][1])
    follow = CITIES_INTENT if field == "city" else DAYS_INTENT
    between = [dice.choice(follow.training).text.format(city=town, date=date) for town, date in walk[1:-1]]
    answer = DECLINE
    if not miss:
        _, words, sky = facts[walk[-1]]
        answer = KINDS[name][0](sky).format(city=town, date=date, **words)
    return Draft(
        {"city": town, "date": date},
        answer,
        slots=(name, *sorted(context.items()), *(place[which] for place in walk)),
        context=context,
        before=(opening, *between),
        pairs=() if miss else city_dates([town], [date]),
        pairs_beside=tuple(pair for place in (*told, walk[-1]) for pair in city_dates([place[0]], [place[1]])),
        values=() if miss else city_values(town),
        values_beside=city_values(*(place[0] for place in (*told, walk[-1]))),
        answerable=not miss,
        long=turns > max(TURNS),
    )


def draw_detail(dice, template):
    """Draw an order, named in the first turn, and one detail after another."""
    number = asked = order(dice)
    details = {
        "状态": dice.choice(tuple(STATES)), "价格": f"{price(dice)}元", "快递": dice.choice(CARRIERS),
        "颜色": dice.choice(COLOURS), "发票": INVOICES[dice.choice(tuple(INVOICES))],
    }  # fmt: skip
    told = dice.sample(details, dice.between(2, 4))
    turns = draw_length(dice)
    walk = wander(dice, told, turns)[1:]
    miss = dice.choice(("order", "fact", "fact")) if dice.chance(DECLINED_PERCENT) else None
    if miss == "order":
        asked = other_order(dice, number)
    elif miss == "fact":
        walk[-1] = dice.choice([key for key in details if key not in told])
    context = {"订单": number, **{key: details[key] for key in told}}
    between = [dice.choice(DETAIL_INTENT.training).text.format(key=key) for key in walk[:-1]]
    values = order_values(number)
    return Draft(
        {"key": walk[-1]},
        DECLINE if miss else DETAIL.format(order=number, key=walk[-1], value=details[walk[-1]]),
        slots=(*sorted(context.items()), asked, *walk),
        context=context,
        before=(dice.choice(NUMBER_FIRST).format(order=asked), *between),
        values=() if miss else values,
        values_beside=order_values(number, asked),
        answerable=miss is None,
        long=turns > max(TURNS),
    )


def fill_slots(dice, known, slots):
    """Say the slots in random order, then change them; return the turns, and ``known`` with what was said last.

    ``slots`` maps how to say a slot to its field and its values.
    """
    turns, later = [], draw_length(dice) - 1
    hows = dice.shuffled(slots)
    for i in range(later):
        first = i < len(hows)
        how = hows[i] if first else dice.choice(hows)
        field, values = slots[how]
        known[field] = dice.other(values, known.get(field))
        turns.append(dice.choice(SAY[how if first else f"new_{how}"]).format(**{field: known[field]}))
    return tuple(turns)


def draw_ticket(dice, template):
    """Draw a journey; the date and the number of tickets come in later turns, or are asked for."""
    start = city(dice)
    end = other_city(dice, start)
    known = {"start": start, "end": end, "vehicle": dice.choice(VEHICLES)}
    fields = dict(known)
    after = fill_slots(dice, known, {"date": ("date", DATES), "tickets": ("count", TICKET_COUNTS)})
    if "date" not in known:
        pattern = ASK_DATE
    else:
        pattern = TICKET if "count" in known else ASK_TICKETS
    return Draft(
        fields,
        pattern.format(**known),
        slots=(*known.values(), *after),
        after=after,
        pairs=city_dates([start, end], [known["date"]]) if pattern is TICKET else (),
        pairs_beside=city_dates([start, end], [date for date in DATES if any(date in turn for turn in after)]),
        values=city_values(start, end) if pattern is TICKET else (),
        values_beside=city_values(start, end),
        long=len(after) >= max(TURNS),
    )


def draw_table(dice, template):
    """Draw a date for a table; the time and the number of guests come in later turns, or are asked for."""
    date = dice.choice(DATES)
    known = {"date": date}
    after = fill_slots(dice, known, {"time": ("time", TIMES), "people": ("count", PEOPLE)})
    if "time" not in known:
        pattern = ASK_TIME
    else:
        pattern = TABLE if "count" in known else ASK_PEOPLE
    return Draft(
        {"date": date},
        pattern.format(**known),
        slots=(date, *after),
        after=after,
        pairs=(("date", date, "time", known["time"]),) if pattern is TABLE else (),
        pairs_beside=tuple(("date", date, "time", time) for time in TIMES if any(time in turn for turn in after)),
        long=len(after) >= max(TURNS),
    )


DAYS_INTENT = Intent("dialogue.days", DATE_TEMPLATES, draw_days, 5)
CITIES_INTENT = Intent("dialogue.cities", CITY_TEMPLATES, draw_cities, 4)
DETAIL_INTENT = Intent("dialogue.detail", DETAIL_TEMPLATES, draw_detail, 3)
INTENTS = (
    DAYS_INTENT,
    CITIES_INTENT,
    DETAIL_INTENT,
    Intent("dialogue.ticket", TICKET_TEMPLATES, draw_ticket, 3),
    Intent("dialogue.table", TABLE_TEMPLATES, draw_table, 2),
)
ANSWERS = (DETAIL, TICKET, ASK_DATE, ASK_TICKETS, TABLE, ASK_TIME, ASK_PEOPLE)
WORDS = (*NUMBER_FIRST, *VEHICLES, *TICKET_COUNTS, *PEOPLE, *TIMES, *(text for texts in SAY.values() for text in texts))
