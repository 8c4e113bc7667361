"""Weather: overall, temperature, rain, umbrella, clothing, and which of two days is warmer."""

from minisora.corpus.intents import DECLINE, Draft, Intent
from minisora.corpus.values import DATES, city, city_dates, city_values, other_city

SKIES = {
    "晴": "是晴天", "多云": "多云", "阴": "是阴天", "小雨": "有小雨", "中雨": "有中雨", "大雨": "有大雨",
    "雷阵雨": "有雷阵雨", "小雪": "有小雪", "大雪": "有大雪", "雾": "有雾",
}  # fmt: skip
COLDEST, HOTTEST = -15, 40
SNOW_BELOW, RAIN_ABOVE = 3, 0  # degrees
BANDS = (  # highest degree, how it feels, what to wear
    (-1, "天气寒冷", "羽绒服"),
    (9, "天气较冷", "厚外套"),
    (18, "天气凉爽", "薄外套"),
    (27, "天气舒适", "长袖衬衫"),
    (HOTTEST, "天气炎热", "短袖"),
)

OVERALL = "{date}{city}{sky}，气温{degrees}。"
TEMPERATURE = "{date}{city}气温{degrees}，{feeling}。"
RAIN = "会的，{date}{city}{sky}。"
NO_RAIN = "不会下雨，{date}{city}{sky}。"
UMBRELLA = "{date}{city}{sky}，建议带伞。"
NO_UMBRELLA = "{date}{city}{sky}，不用带伞。"
CLOTHING = "{date}{city}气温{degrees}，建议穿{clothes}。"
WARMER = "{city}{date}{degrees}，{other}{other_degrees}，{warmer}更暖和。"

OVERALL_TEMPLATES = (
    "{date} {city} 天气 怎么样？",
    "{city} {date} 天气 怎么样？",
    "{date} {city} 的 天气 如何？",
    "{city} {date} 的 天气 好 吗？",
    "{date} {city} 天气 好不好？",
    "{city} {date} 天气 好不好 呀？",
    "{city} {date} 是 什么 天气？",
    "{date} {city} 是 什么 天气 呀？",
    "{date} {city} 天气 咋样？",
    "{city} {date} 的 天气 咋样 啊？",
    "查 一下 {date} {city} 的 天气。",
    "说说 {city} {date} 的 天气。",
    "告诉我 {date} {city} 天气 怎么样。",
    "我想知道 {city} {date} 天气 如何。",
    "说说 {date} {city} 是 什么 天气。",
    "{date} 天气 怎么样？",
    "{date} 是 什么 天气 啊？",
    "{date} 的 天气 好 吗？",
)
TEMPERATURE_TEMPLATES = (
    "{date} {city} 气温 是 多少？",
    "{city} {date} 气温 多少 度？",
    "{date} {city} 有 多少 度？",
    "{city} {date} 的 气温 是 几 度？",
    "{date} {city} 几 度 呀？",
    "{city} {date} 多少 度 啊？",
    "{date} {city} 有 几 度 啊？",
    "{city} {date} 冷不冷？",
    "{date} {city} 冷不冷 呀？",
    "{date} {city} 的 气温 高不高？",
    "{city} {date} 气温 高不高 啊？",
    "查 一下 {city} {date} 的 气温。",
    "告诉我 {date} {city} 的 气温。",
    "我想知道 {city} {date} 多少 度。",
    "查 一下 {date} {city} 有 几 度。",
    "{date} 气温 多少 度？",
    "{date} 有 几 度？",
    "{date} 冷不冷 啊？",
)
RAIN_TEMPLATES = (
    "{date} {city} 会 下雨 吗？",
    "{city} {date} 会不会 下雨？",
    "{date} {city} 有 雨 吗？",
    "{city} {date} 有没有 雨？",
    "{date} {city} 下不下雨？",
    "{city} {date} 下不下雨 啊？",
    "{date} {city} 会 有 雨 吗？",
    "{city} {date} 是不是 要 下雨？",
    "{date} {city} 是不是 有 雨 啊？",
    "{city} {date} 要 下雨 吗？",
    "{date} {city} 会不会 有 雨 呀？",
    "查 一下 {city} {date} 有没有 雨。",
    "告诉我 {date} {city} 会不会 下雨。",
    "我想知道 {city} {date} 下不下雨。",
    "查 一下 {date} {city} 会不会 下雨。",
    "{date} 会 下雨 吗？",
    "{date} 有没有 雨 呀？",
    "{date} 下不下雨？",
)
UMBRELLA_TEMPLATES = (
    "{date} {city} 要 带伞 吗？",
    "{city} {date} 需要 带伞 吗？",
    "{date} {city} 用不用 带伞？",
    "{city} {date} 要不要 带 雨伞？",
    "{date} {city} 出门 要 带伞 吗？",
    "{city} {date} 出门 用不用 带 雨伞？",
    "{date} 去 {city} 要不要 带伞？",
    "{date} 去 {city} 需要 带 雨伞 吗？",
    "{city} {date} 需不需要 带伞？",
    "{date} {city} 需不需要 带 雨伞 呀？",
    "{city} {date} 用 带伞 吗？",
    "{date} {city} 用 带 雨伞 吗？",
    "告诉我 {date} {city} 用不用 带伞。",
    "告诉我 {city} {date} 要不要 带 雨伞。",
    "我想知道 {city} {date} 需不需要 带伞。",
    "我想知道 {date} 去 {city} 要不要 带伞。",
    "{date} 要 带伞 吗？",
    "{date} 出门 要不要 带 雨伞 呀？",
)
CLOTHING_TEMPLATES = (
    "{date} {city} 穿 什么 衣服 合适？",
    "{city} {date} 该 穿 什么？",
    "{date} {city} 应该 怎么 穿？",
    "{city} {date} 穿 什么 好？",
    "{date} 去 {city} 该 穿 什么 衣服？",
    "{date} 去 {city} 怎么 穿 合适？",
    "{city} {date} 出门 穿 什么？",
    "{date} {city} 出门 该 怎么 穿 呀？",
    "{city} {date} 应该 穿 什么 衣服 呢？",
    "{date} {city} 怎么 穿 好 呢？",
    "{city} {date} 出门 应该 穿 什么 呀？",
    "告诉我 {date} {city} 穿 什么 衣服 好。",
    "告诉我 {city} {date} 该 怎么 穿。",
    "我想知道 {date} {city} 怎么 穿 合适。",
    "我想知道 {date} 去 {city} 穿 什么 好。",
    "{date} 穿 什么 衣服 合适？",
    "{date} 出门 该 穿 什么？",
)
WARMER_TEMPLATES = (
    "{city} {date} 和 {other} 哪天 更 暖和？",
    "{date} 和 {other} {city} 哪天 更 暖和？",
    "{city} {date} 暖和 还是 {other} 暖和？",
    "{city} 是 {date} 暖和 还是 {other} 暖和 呀？",
    "{date} 跟 {other} 比 ， {city} 哪天 气温 更 高？",
    "{city} {date} 跟 {other} 哪天 气温 高？",
    "{date} 和 {other} 比 ， {city} 哪天 暖和？",
    "{city} 在 {date} 和 {other} 哪天 更 暖和 呀？",
    "{date} 跟 {other} 哪天 {city} 更 暖和？",
    "{city} {date} 气温 高 还是 {other} 气温 高？",
    "比 一下 {city} {date} 和 {other} 哪天 气温 高。",
    "告诉我 {city} {date} 和 {other} 哪天 暖和。",
    "告诉我 {date} 跟 {other} {city} 哪天 更 暖和。",
    "我想知道 {city} {date} 跟 {other} 哪天 更 暖和。",
    "比 一下 {date} 和 {other} {city} 哪天 暖和。",
    "{date} 和 {other} 哪天 更 暖和？",
    "{date} 暖和 还是 {other} 暖和？",
)

OPTIONAL_PERCENT = 40  # how often the context has a fact that the answer does not need
DECLINED_PERCENT = 26
WARMER_DECLINED_PERCENT = 20


def degrees(temperature):
    """Say a temperature: 12度, 零下5度."""
    return f"零下{-temperature}度" if temperature < 0 else f"{temperature}度"


def describe(sky, temperature):
    """Return what the answers say of a sky and a temperature, as fields."""
    feeling, clothes = next(words for highest, *words in BANDS if temperature <= highest)
    return {"sky": SKIES[sky], "degrees": degrees(temperature), "feeling": feeling, "clothes": clothes}


def draw_sky_and_temperature(dice):
    """Draw a sky and a temperature that it is seen at."""
    sky = dice.choice(tuple(SKIES))
    if "雪" in sky:
        return sky, dice.between(COLDEST, SNOW_BELOW - 1)
    if "雨" in sky:
        return sky, dice.between(RAIN_ABOVE + 1, HOTTEST)
    return sky, dice.between(COLDEST, HOTTEST)


def overall(sky):
    return OVERALL


def temperature(sky):
    return TEMPERATURE


def rain(sky):
    return RAIN if "雨" in sky else NO_RAIN


def umbrella(sky):
    return UMBRELLA if sky.endswith(("雨", "雪")) else NO_UMBRELLA


def clothing(sky):
    return CLOTHING


def draw_day(dice, template, pattern_for, needs):
    """Draw one day's weather and a question about it; ``pattern_for(sky)`` is the answer's pattern."""
    town, date = city(dice), dice.choice(DATES)
    sky, warmth = draw_sky_and_temperature(dice)
    facts = {
        "城市": town, "日期": date, "天气": sky, "气温": str(warmth), "风": f"{dice.between(1, 7)}级",
        "湿度": f"{dice.between(2, 9)}0%",
    }  # fmt: skip
    kept = [key for key in facts if key in ("城市", "日期", *needs) or dice.chance(OPTIONAL_PERCENT)]
    asked_town, asked_date = town, date
    miss = dice.choice(misses(template)) if dice.chance(DECLINED_PERCENT) else None
    if miss == "city":
        asked_town = other_city(dice, town)
    elif miss == "date":
        asked_date = dice.other(DATES, date)
    elif miss == "fact":
        kept.remove(dice.choice(needs))
    elif miss == "context":
        kept = []
        if "city" not in template.fields:
            asked_date = dice.other(DATES, "今天")  # that is a question of the FAQ
    if dice.chance(30):
        kept = dice.shuffled(kept)
    context = {key: facts[key] for key in kept}
    fields = {"city": asked_town, "date": asked_date}
    answer = DECLINE if miss else pattern_for(sky).format(**fields, **describe(sky, warmth))
    told = [context[key] for key in ("城市", "日期") if context]
    draft = weather_draft(context, fields, answer, told, answerable=miss is None)
    return draft._replace(train_only=not context and "city" not in template.fields)  # the city is told nowhere


def misses(template):
    """Return why a question may go unanswered; one that names no city cannot miss it."""
    return ("city", "date", "fact", "context") if "city" in template.fields else ("date", "fact", "context")


def weather_draft(context, fields, answer, told, *, answerable):
    """Return a draft whose pairs are the cities and dates told or asked; the asked ones matter to an answer."""
    asked = list(fields.values())
    towns, dates = [[value for value in (*told, *asked) if (value in DATES) is kind] for kind in (False, True)]
    return Draft(
        fields,
        answer,
        slots=(*sorted(context.items()), *fields.values()),
        context=context,
        pairs=city_dates(asked[:1], asked[1:]) if answerable else (),
        pairs_beside=city_dates(set(towns), set(dates)),
        values=city_values(fields["city"]) if answerable else (),
        values_beside=city_values(*towns),
        answerable=answerable,
    )


def draw_warmer(dice, template):
    """Draw two days' temperatures, the question in either order."""
    town = city(dice)
    date, other, third = dice.sample(DATES, 3)
    warmth, other_warmth = dice.sample(range(COLDEST, HOTTEST + 1), 2)
    told = {date: warmth, other: other_warmth}
    asked_town = town
    kinds = ("city", "date") if "city" in template.fields else ("date",)
    miss = dice.choice(kinds) if dice.chance(WARMER_DECLINED_PERCENT) else None
    if miss == "city":
        asked_town = other_city(dice, town)
    elif miss == "date":
        told = {dice.choice((date, other)): warmth, third: other_warmth}
    days = dice.shuffled(told)
    context = {"城市": town, **{day: f"{told[day]}度" for day in days}}
    fields = {"city": asked_town, "date": date, "other": other}
    answer = DECLINE
    if not miss:
        answer = WARMER.format(
            **fields,
            degrees=degrees(warmth),
            other_degrees=degrees(other_warmth),
            warmer=date if warmth > other_warmth else other,
        )
    return weather_draft(context, fields, answer, [town, *told], answerable=miss is None)


def day_intent(name, templates, pattern_for, needs, weight):
    def draw(dice, template):
        return draw_day(dice, template, pattern_for, needs)

    return Intent(f"weather.{name}", templates, draw, weight)


INTENTS = (
    day_intent("overall", OVERALL_TEMPLATES, overall, ("天气", "气温"), 4),
    day_intent("temperature", TEMPERATURE_TEMPLATES, temperature, ("气温",), 4),
    day_intent("rain", RAIN_TEMPLATES, rain, ("天气",), 4),
    day_intent("umbrella", UMBRELLA_TEMPLATES, umbrella, ("天气",), 4),
    day_intent("clothing", CLOTHING_TEMPLATES, clothing, ("气温",), 4),
    Intent("weather.warmer", WARMER_TEMPLATES, draw_warmer, 5),
)
ANSWERS = (OVERALL, TEMPERATURE, RAIN, NO_RAIN, UMBRELLA, NO_UMBRELLA, CLOTHING, WARMER)
WORDS = (*SKIES, *SKIES.values(), *(word for _, *words in BANDS for word in words), "城市日期天气气温风级湿度%零下度")
