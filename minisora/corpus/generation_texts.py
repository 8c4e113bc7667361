"""Short texts from given facts or keywords: product descriptions, news briefs, verses; several answers are right."""

from minisora.corpus.intents import Draft, Intent
from minisora.corpus.values import CITIES, DATES, city, city_dates, city_values, product

FEATURES = (
    "做工精细", "外观漂亮", "经久耐用", "操作方便", "轻巧好带", "性价比高", "颜色丰富", "质量可靠", "安全放心",
    "设计新颖", "省电环保", "手感舒适", "功能齐全", "坚固结实", "小巧可爱", "维护简单",
)  # fmt: skip
PEOPLE = ("学生", "老人", "上班族", "孩子", "年轻人", "家庭", "旅行者", "办公室")
EVENTS = (
    "举办读书节", "举行马拉松比赛", "开放新图书馆", "举办美食节", "开通新地铁", "举行科技展览", "举办音乐会",
    "召开运动会", "举行环保活动", "举办灯会", "开放新公园", "举行书画展", "举办招聘会", "开展植树活动", "举行龙舟赛",
    "举办花展",
)  # fmt: skip
CROWDS = ("众多市民", "大批游客", "许多学生", "不少家庭", "各地朋友", "上千名观众")
SCENES = (
    "明月", "清风", "春雨", "白雪", "桃花", "落叶", "星光", "夕阳", "流水", "白云", "飞鸟", "青草", "荷花", "秋霜",
    "朝霞", "细雨",
)  # fmt: skip
HEARTS = (
    "故乡", "远山", "江南", "童年", "母亲", "老友", "小桥", "古城", "书声", "归人", "渔舟", "炊烟", "长河", "田野",
    "灯火", "山川",
)  # fmt: skip

PRODUCT = (
    "这款{product}{feature}，很适合{people}。",
    "{product}{feature}，是{people}的好选择。",
    "推荐这款{product}，{feature}，适合{people}。",
    "{feature}的{product}，特别适合{people}。",
)
NEWS = (
    "{city}{date}{event}，吸引了{crowd}参加。",
    "{date}，{city}{event}，{crowd}前来参加。",
    "本报讯：{city}{date}{event}，{crowd}到场。",
    "{date}{city}{event}，迎来{crowd}。",
)
VERSE = (
    "{scene}年年在，{heart}入梦来。",
    "{scene}入我心，{heart}伴我行。",
    "一片{scene}意，千里{heart}情。",
    "我爱{scene}美，更念{heart}亲。",
)

PRODUCT_TEMPLATES = (
    "写 一段 商品 介绍。",
    "写 一句 商品 介绍。",
    "给 这个 商品 写 介绍。",
    "给 这个 商品 写 一段 文案。",
    "写 一句 推荐 文案。",
    "写 一段 推荐 文案 吧。",
    "介绍 一下 这个 商品。",
    "推荐 一下 这个 商品 吧。",
    "能 写 一段 商品 文案 吗？",
    "能 介绍 一下 这个 商品 吗？",
    "这个 商品 怎么 介绍？",
    "这个 商品 的 文案 怎么 写？",
    "能 给 商品 写 一句 文案 吗？",
    "怎么 推荐 这个 商品 呢？",
    "可以 写 一句 商品 介绍 吗？",
    "可以 推荐 一下 这个 商品 吗？",
)
NEWS_TEMPLATES = (
    "写 一条 新闻。",
    "写 一条 新闻 简讯。",
    "写 一段 新闻 吧。",
    "写 一段 简讯。",
    "把 这些 写成 新闻。",
    "把 这些 写成 一条 简讯。",
    "用 这些 信息 写 一条 新闻。",
    "用 这些 信息 写 一段 简讯 吧。",
    "能 写 一条 简讯 吗？",
    "能 把 这些 信息 写成 新闻 吗？",
    "可以 写 一段 新闻 吗？",
    "可以 用 这些 写 一条 简讯 吗？",
    "这条 新闻 怎么 写？",
    "这条 简讯 怎么 写 呢？",
    "怎么 把 这些 写成 简讯 呢？",
)
VERSE_TEMPLATES = (
    "写 两句 诗。",
    "写 一首 小诗。",
    "写 一首 短诗 吧。",
    "用 这些 词 写 两句 诗。",
    "用 关键词 写 一首 小诗。",
    "用 关键词 写 两句 短诗 吧。",
    "来 一首 小诗。",
    "来 两句 诗 吧。",
    "能 写 一首 短诗 吗？",
    "能 用 关键词 写 两句 诗 吗？",
    "可以 来 一首 小诗 吗？",
    "可以 用 这些 词 写 首 诗 吗？",
    "给 我 写 一首 诗。",
    "给 我 写 首 短诗 吧。",
    "能 给 我 来 两句 诗 吗？",
)


def text_draft(dice, context, patterns, words, *, pairs, values):
    """Return a draft whose answer is any of the patterns with all words in it."""
    references = tuple(pattern.format(**words) for pattern in patterns)
    return Draft(
        {},
        dice.choice(references),
        slots=tuple(words.values()),
        context=context,
        pairs=pairs,
        values=values,
        keywords=tuple(words.values()),
        references=references,
    )


def draw_product(dice, template):
    modifier, noun = product(dice)
    words = {"product": modifier + noun, "feature": dice.choice(FEATURES), "people": dice.choice(PEOPLE)}
    context = {"商品": words["product"], "特点": words["feature"], "人群": words["people"]}
    pairs = (("noun", noun, "feature", words["feature"]),)
    return text_draft(dice, context, PRODUCT, words, pairs=pairs, values=(("product", modifier, noun),))


def draw_news(dice, template):
    town, date = city(dice), dice.choice(DATES[:11])
    words = {"city": town, "date": date, "event": dice.choice(EVENTS), "crowd": dice.choice(CROWDS)}
    context = {"地点": town, "时间": date, "事件": words["event"], "参加者": words["crowd"]}
    return text_draft(dice, context, NEWS, words, pairs=city_dates([town], [date]), values=city_values(town))


def draw_verse(dice, template):
    words = {"scene": dice.choice(SCENES), "heart": dice.choice(HEARTS)}
    pairs = (("scene", words["scene"], "heart", words["heart"]),)
    return text_draft(dice, {"关键词": "、".join(words.values())}, VERSE, words, pairs=pairs, values=())


INTENTS = (
    Intent("generation.product", PRODUCT_TEMPLATES, draw_product),
    Intent("generation.news", NEWS_TEMPLATES, draw_news),
    Intent("generation.verse", VERSE_TEMPLATES, draw_verse),
)
ANSWERS = (*PRODUCT, *NEWS, *VERSE)
WORDS = (*FEATURES, *PEOPLE, *EVENTS, *CROWDS, *SCENES, *HEARTS, *CITIES, "商品特点人群地点时间事件参加者关键词、")
