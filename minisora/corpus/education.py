"""Education: antonyms and exercises; and, counted apart as "arithmetic", every answer with a computed number."""

from minisora.corpus.intents import Draft, Intent
from minisora.corpus.values import COUNTS, GIVEN

ANTONYMS = (
    ("大", "小"), ("高", "低"), ("长", "短"), ("多", "少"), ("快", "慢"), ("冷", "热"), ("新", "旧"), ("远", "近"),
    ("轻", "重"), ("早", "晚"), ("黑", "白"), ("胖", "瘦"), ("深", "浅"), ("宽", "窄"), ("粗", "细"), ("软", "硬"),
    ("甜", "苦"), ("真", "假"), ("美", "丑"), ("强", "弱"), ("上", "下"), ("左", "右"), ("前", "后"), ("里", "外"),
    ("开", "关"), ("进", "退"), ("买", "卖"), ("来", "去"), ("哭", "笑"), ("升", "降"), ("输", "赢"), ("借", "还"),
    ("高兴", "难过"), ("安静", "吵闹"), ("勤劳", "懒惰"), ("勇敢", "胆小"), ("干净", "肮脏"), ("简单", "复杂"),
    ("容易", "困难"), ("成功", "失败"), ("安全", "危险"), ("热情", "冷淡"), ("聪明", "愚笨"), ("诚实", "虚伪"),
    ("骄傲", "谦虚"), ("节约", "浪费"), ("认真", "马虎"), ("整齐", "凌乱"), ("喜欢", "讨厌"), ("表扬", "批评"),
    ("光明", "黑暗"), ("温暖", "寒冷"), ("团结", "分裂"), ("开始", "结束"), ("朋友", "敌人"), ("增加", "减少"),
    ("清楚", "模糊"), ("富裕", "贫穷"), ("积极", "消极"), ("坚强", "软弱"),
)  # fmt: skip
OPPOSITES = {**dict(ANTONYMS), **{second: first for first, second in ANTONYMS}}
MEASURES = {
    "本": ("书", "词典", "杂志", "小说"), "张": ("纸", "桌子", "照片", "地图"), "只": ("鸡", "小猫", "小鸟", "兔子"),
    "条": ("鱼", "河", "裤子", "毛巾"), "把": ("椅子", "刀", "雨伞", "尺子"),
    "辆": ("汽车", "自行车", "卡车", "公交车"), "朵": ("花", "云", "玫瑰", "荷花"),
    "件": ("衣服", "毛衣", "礼物", "行李"), "棵": ("树", "白菜", "小草", "松树"),
    "头": ("牛", "大象", "驴", "猪"), "匹": ("马", "骆驼", "布", "狼"), "座": ("山", "桥", "城市", "塔"),
}  # fmt: skip
MEASURE_OF = {noun: measure for measure, nouns in MEASURES.items() for noun in nouns}
KINDS = {
    "动物": ("小狗", "老虎", "兔子", "大象", "猴子", "狮子", "熊猫", "松鼠"),
    "水果": ("苹果", "香蕉", "西瓜", "葡萄", "桃子", "橙子", "草莓", "梨"),
    "蔬菜": ("白菜", "萝卜", "土豆", "黄瓜", "茄子", "菠菜", "南瓜", "芹菜"),
    "文具": ("铅笔", "橡皮", "尺子", "钢笔", "毛笔", "圆规", "本子", "胶水"),
    "家具": ("桌子", "椅子", "沙发", "衣柜", "书架", "茶几", "板凳", "床"),
    "乐器": ("钢琴", "吉他", "二胡", "笛子", "古筝", "小提琴", "琵琶", "口琴"),
}
UNITS = (
    ("米", "厘米", 100), ("千米", "米", 1000), ("厘米", "毫米", 10), ("小时", "分钟", 60), ("分钟", "秒", 60),
    ("千克", "克", 1000), ("吨", "千克", 1000), ("元", "角", 10), ("天", "小时", 24), ("年", "个月", 12),
    ("星期", "天", 7), ("升", "毫升", 1000),
)  # fmt: skip
FRUIT = ("苹果", "桃子", "橙子", "梨", "柿子", "石榴")

ANTONYM = "“{word}”的反义词是“{opposite}”。"
ANTONYM_PAIR = "“{word}”的反义词是“{opposite}”，“{other}”的反义词是“{other_opposite}”。"
MEASURE = "{count}{measure}{noun}。"
KIND = "{member}是{kind}。"
ADD = "{a}加{b}等于{result}。"
SUBTRACT = "{a}减{b}等于{result}。"
MULTIPLY = "{a}乘{b}等于{result}。"
CONVERT = "{a}{unit}等于{result}{smaller}。"

ANTONYM_TEMPLATES = (
    "“{word}”的 反义词 是 什么？",
    "“{word}”的 反义词 是 哪个 词？",
    "“{word}”的 反义词 呢？",
    "和 “{word}”意思 相反 的 词 是 什么？",
    "和 “{word}”相反 的 词 是 哪个？",
    "与 “{word}”意思 相反 的 是 哪个 词？",
    "与 “{word}”相反 的 是 什么 呀？",
    "哪个 词 和 “{word}”意思 相反？",
    "什么 词 与 “{word}”相反 呢？",
    "“{word}”这个 词 的 反义词 是 什么？",
    "“{word}”这个 词 的 反义词 怎么 说 呀？",
    "“{word}”的 反义词 怎么 说？",
    "说出 “{word}”的 反义词。",
    "写出 “{word}”的 反义词。",
    "写出 和 “{word}”意思 相反 的 词。",
    "告诉我 “{word}”的 反义词 是 什么。",
    "说出 与 “{word}”相反 的 词。",
)
ANTONYM_PAIR_TEMPLATES = (
    "“{word}”和 “{other}”的 反义词 分别 是 什么？",
    "“{word}”和 “{other}”的 反义词 是 什么？",
    "“{word}”、“{other}”的 反义词 各 是 什么？",
    "“{word}”的 反义词 是 什么 ，“{other}”的 呢？",
    "“{word}”与 “{other}”的 反义词 各 是 哪个 词？",
    "“{word}”、“{other}”的 反义词 分别 是 哪个 词 呀？",
    "与 “{word}”和 “{other}”意思 相反 的 词 是 什么？",
    "与 “{word}”、“{other}”相反 的 词 分别 是 什么？",
    "“{word}”和 “{other}”两个 词 的 反义词 是 什么？",
    "“{word}”、“{other}”两个 词 的 反义词 呢？",
    "说出 “{word}”和 “{other}”的 反义词。",
    "写出 “{word}”、“{other}”的 反义词。",
    "写出 “{word}”和 “{other}”两个 词 的 反义词。",
    "告诉我 “{word}”和 “{other}”的 反义词。",
    "告诉我 与 “{word}”、“{other}”意思 相反 的 词。",
    "说出 与 “{word}”和 “{other}”相反 的 词。",
)
MEASURE_TEMPLATES = (
    "{count}（）{noun}， 括号 里 填 什么？",
    "{count}（）{noun}， 括号 里 填 什么 量词？",
    "{count}（）{noun}， 括号 里 该 填 哪个 量词？",
    "{count}（）{noun}， 填 什么 量词 呀？",
    "{count}（）{noun}， 应该 填 哪个 量词？",
    "{count}（）{noun}里 应该 填 什么？",
    "{count}（）{noun}的 括号 里 填 哪个 量词？",
    "{count}（）{noun}用 什么 量词？",
    "{count}（）{noun}应该 用 哪个 量词 呢？",
    "{count}（）{noun}该 用 什么 量词？",
    "填 量词 ：{count}（）{noun}。",
    "填 上 量词 ：{count}（）{noun}。",
    "把 括号 填 上 ：{count}（）{noun}。",
    "把 {count}（）{noun}的 量词 填 上。",
    "用 量词 填 上 括号 ：{count}（）{noun}。",
)
KIND_TEMPLATES = (
    "{words}， 哪个 是 {kind}？",
    "{words}里 哪个 是 {kind}？",
    "{words}， 哪 一个 是 {kind} 呀？",
    "{words}当中 哪 一个 是 {kind}？",
    "{words}， 什么 是 {kind}？",
    "{words}当中 有 {kind} 吗？",
    "{words}里 有 哪个 是 {kind}？",
    "哪个 是 {kind}：{words}？",
    "下面 哪个 是 {kind}：{words}？",
    "下面 哪 一个 是 {kind}：{words}？",
    "下面 什么 是 {kind} 呢：{words}？",
    "选出 {kind}：{words}。",
    "选 一 选 ， 下面 哪个 是 {kind}：{words}。",
    "选 一 选 {kind}：{words}。",
    "从 {words}里 选出 {kind}。",
    "从 {words}当中 选出 {kind}。",
    "说 一 说 {words}里 哪个 是 {kind}。",
    "说 一 说 下面 哪 一个 是 {kind}：{words}。",
)
ADD_TEMPLATES = (
    "{a} 加 {b} 等于 多少？",
    "{a} 加 {b} 等于 几？",
    "{a} 加 {b} 是 多少？",
    "{a} 加上 {b} 是 多少？",
    "{a} 加上 {b} 等于 多少 呀？",
    "{a} 与 {b} 的 和 是 多少？",
    "{a} 和 {b} 加 起来 是 多少？",
    "{a} 和 {b} 加 起来 等于 几 呢？",
    "求 {a} 与 {b} 的 和。",
    "算 一下 {a} 加 {b} 等于 多少。",
    "算 一下 {a} 加上 {b}。",
    "{name} 有 {a} 个 {fruit} ， 又 买 了 {b} 个 ， 一共 有 几 个？",
    "{name} 有 {a} 个 {fruit} ， 又 买 了 {b} 个 ， 一共 有 多少 个？",
    "{name} 有 {a} 个 {fruit} ， 又 来 了 {b} 个 ， 一共 是 多少 个？",
    "篮子 里 有 {a} 个 {fruit} ， 又 放 了 {b} 个 ， 一共 有 多少 个？",
    "篮子 里 有 {a} 个 {fruit} ， 又 放 了 {b} 个 ， 现在 有 几 个？",
    "{a} + {b} 等于 多少？",
    "{a} + {b} 等于 几 呢？",
    "算 一下 {a} + {b}。",
)
SUBTRACT_TEMPLATES = (
    "{a} 减 {b} 等于 多少？",
    "{a} 减 {b} 等于 几？",
    "{a} 减 {b} 是 多少？",
    "{a} 减去 {b} 是 多少？",
    "{a} 减去 {b} 等于 多少 呀？",
    "{a} 与 {b} 的 差 是 多少？",
    "{a} 比 {b} 多 多少？",
    "{a} 比 {b} 多 几？",
    "{b} 比 {a} 少 多少？",
    "{b} 比 {a} 少 几 呀？",
    "求 {a} 与 {b} 的 差。",
    "算 一下 {a} 减 {b} 等于 多少。",
    "算 一下 {a} 减去 {b}。",
    "{name} 有 {a} 个 {fruit} ， 吃 了 {b} 个 ， 还 剩 几 个？",
    "{name} 有 {a} 个 {fruit} ， 吃 了 {b} 个 ， 还 剩 多少 个？",
    "篮子 里 有 {a} 个 {fruit} ， 拿走 {b} 个 ， 还 剩 多少 个？",
    "篮子 里 有 {a} 个 {fruit} ， 拿走 {b} 个 ， 还 有 几 个？",
    "{a} - {b} 等于 多少？",
    "{a} - {b} 等于 几 呀？",
    "算 一下 {a} - {b}。",
)
MULTIPLY_TEMPLATES = (
    "{a} 乘 {b} 等于 多少？",
    "{a} 乘 {b} 等于 几？",
    "{a} 乘 {b} 是 多少？",
    "{a} 乘以 {b} 是 多少？",
    "{a} 乘以 {b} 等于 多少 呀？",
    "{a} 与 {b} 的 积 是 多少？",
    "{a} 个 {b} 是 多少？",
    "{a} 个 {b} 加 起来 是 多少？",
    "{a} 个 {b} 加 起来 等于 几？",
    "求 {a} 与 {b} 的 积。",
    "求 {a} 乘 {b} 的 积。",
    "算 一下 {a} 乘 {b} 等于 多少。",
    "算 一下 {a} 乘以 {b}。",
    "每 盒 有 {b} 个 {fruit} ， {a} 盒 一共 有 多少 个？",
    "每 盒 有 {b} 个 {fruit} ， {a} 盒 有 几 个？",
    "每 盒 {b} 个 {fruit} ， {a} 盒 一共 几 个 呀？",
    "{a} × {b} 等于 多少？",
    "{a} × {b} 等于 几 呀？",
    "算 一下 {a} × {b}。",
)
CONVERT_TEMPLATES = (
    "{a}{unit} 等于 多少 {smaller}？",
    "{a}{unit} 是 多少 {smaller}？",
    "{a}{unit} 有 多少 {smaller}？",
    "{a}{unit} 合 多少 {smaller}？",
    "{a}{unit} 等于 几 {smaller} 呀？",
    "{a}{unit} 一共 是 多少 {smaller}？",
    "{a}{unit} 换算 成 {smaller} 是 多少？",
    "{a}{unit} 换 成 {smaller} 是 几？",
    "{a}{unit} 换 成 {smaller} 等于 多少 呀？",
    "{a}{unit} 一共 有 几 {smaller}？",
    "把 {a}{unit} 换算 成 {smaller}。",
    "把 {a}{unit} 换 成 {smaller}。",
    "算 一下 {a}{unit} 等于 多少 {smaller}。",
    "算 一下 {a}{unit} 合 几 {smaller}。",
    "告诉我 {a}{unit} 有 多少 {smaller}。",
    "告诉我 {a}{unit} 换算 成 {smaller} 是 多少。",
)


def draw_antonym(dice, template):
    """Draw a word to recall the antonym of; with so few words, the way of asking belongs to the slots."""
    word = dice.choice(tuple(OPPOSITES))
    return Draft({"word": word}, ANTONYM.format(word=word, opposite=OPPOSITES[word]), slots=(word, template.id))


def draw_antonym_pair(dice, template):
    word, other = dice.sample(OPPOSITES, 2)
    fields = {"word": word, "other": other}
    answer = ANTONYM_PAIR.format(**fields, opposite=OPPOSITES[word], other_opposite=OPPOSITES[other])
    return Draft(fields, answer, slots=(word, other), pairs=(("word", min(word, other), "word", max(word, other)),))


def draw_measure(dice, template):
    noun, count = dice.choice(tuple(MEASURE_OF)), dice.choice(COUNTS)
    fields = {"noun": noun, "count": count}
    answer = MEASURE.format(**fields, measure=MEASURE_OF[noun])
    return Draft(fields, answer, slots=(noun, count, template.id), pairs=(("count", count, "noun", noun),))


def draw_kind(dice, template):
    """Draw three words, one of the kind that is asked for."""
    kind, *others = dice.sample(KINDS, 3)
    member = dice.choice(KINDS[kind])
    words = dice.shuffled([member, *(dice.choice(KINDS[other]) for other in others)])
    fields = {"kind": kind, "words": "、".join(words)}
    return Draft(fields, KIND.format(kind=kind, member=member), slots=(kind, *words))


def draw_add(dice, template):
    a = dice.between(1, 99)
    return calculation(dice, a, dice.between(1, 100 - a), ADD, lambda a, b: a + b)


def draw_subtract(dice, template):
    a = dice.between(2, 100)
    return calculation(dice, a, dice.between(1, a - 1), SUBTRACT, lambda a, b: a - b)


def draw_multiply(dice, template):
    return calculation(dice, dice.between(2, 10), dice.between(2, 10), MULTIPLY, lambda a, b: a * b)


def calculation(dice, a, b, pattern, operation):
    """Return a draft about two numbers; who has how many of which fruit does not matter to the answer."""
    fields = {"a": a, "b": b, "name": dice.choice(GIVEN[-30:]), "fruit": dice.choice(FRUIT)}
    answer = pattern.format(a=a, b=b, result=operation(a, b))
    return Draft(fields, answer, slots=(str(a), str(b)))


def draw_convert(dice, template):
    unit, smaller, factor = dice.choice(UNITS)
    a = dice.between(1, 20)
    fields = {"a": a, "unit": unit, "smaller": smaller}
    return Draft(fields, CONVERT.format(**fields, result=a * factor), slots=(str(a), unit, smaller))


INTENTS = (
    Intent("education.antonym", ANTONYM_TEMPLATES, draw_antonym, 2),
    Intent("education.antonym_pair", ANTONYM_PAIR_TEMPLATES, draw_antonym_pair, 2),
    Intent("education.measure", MEASURE_TEMPLATES, draw_measure, 2),
    Intent("education.kind", KIND_TEMPLATES, draw_kind, 2),
)
ARITHMETIC_INTENTS = (
    Intent("arithmetic.add", ADD_TEMPLATES, draw_add, 3),
    Intent("arithmetic.subtract", SUBTRACT_TEMPLATES, draw_subtract, 3),
    Intent("arithmetic.multiply", MULTIPLY_TEMPLATES, draw_multiply, 1),
    Intent("arithmetic.convert", CONVERT_TEMPLATES, draw_convert, 1),
)
ANSWERS = (ANTONYM, ANTONYM_PAIR, MEASURE, KIND, ADD, SUBTRACT, MULTIPLY, CONVERT)
WORDS = (
    *OPPOSITES, *MEASURES, *MEASURE_OF, *KINDS, *(word for words in KINDS.values() for word in words), *FRUIT, *COUNTS,
    *GIVEN[-30:], *(unit for *units, _ in UNITS for unit in units), "、",
)  # fmt: skip
