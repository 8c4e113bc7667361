"""Question answering over facts in the context: about one person, and about one of several."""

from minisora.corpus.intents import DECLINE, Draft, Intent
from minisora.corpus.values import GIVEN, HOBBIES, JOBS, SURNAMES, city, city_values, person

JOB = "{person}的职业是{job}。"
HOME = "{person}住在{city}。"
HOBBY = "{person}喜欢{hobby}。"
AGE = "{person}今年{age}岁。"
JOB_AND_CITY = "{person}在{city}当{job}。"
HOME_AND_HOBBY = "{person}住在{city}，喜欢{hobby}。"
WHO = "{person}是{job}。"

JOB_TEMPLATES = (
    "{person} 做 什么 工作？",
    "{person} 是 做 什么 的？",
    "{person} 的 职业 是 什么？",
    "{person} 从事 什么 工作？",
    "{person} 是 干 什么 的 呀？",
    "{person} 的 工作 是 什么？",
    "{person} 从事 什么 职业 呢？",
    "{person} 干 什么 工作？",
    "你知道 {person} 是 做 什么 工作 的 吗？",
    "你知道 {person} 的 职业 吗？",
    "{person} 是 什么 职业 啊？",
    "{person} 做 的 是 什么 工作 呀？",
    "告诉我 {person} 的 职业。",
    "告诉我 {person} 是 做 什么 的。",
    "我想知道 {person} 的 工作。",
    "我想知道 {person} 是 干 什么 的。",
)
HOME_TEMPLATES = (
    "{person} 住 在 哪里？",
    "{person} 住 在 哪个 城市？",
    "{person} 住 哪儿？",
    "{person} 家 在 哪里？",
    "{person} 的 家 在 哪个 城市？",
    "{person} 现在 住 在 哪儿 呀？",
    "{person} 现在 住 哪里？",
    "{person} 家 住 哪儿？",
    "{person} 在 哪个 城市 住？",
    "{person} 的 家 在 哪儿 呢？",
    "你知道 {person} 住 在 哪个 城市 吗？",
    "你知道 {person} 家 在 哪儿 吗？",
    "告诉我 {person} 住 在 哪里。",
    "告诉我 {person} 家 在 哪个 城市。",
    "我想知道 {person} 住 在 哪个 城市。",
    "我想知道 {person} 现在 住 哪儿。",
)
HOBBY_TEMPLATES = (
    "{person} 喜欢 什么？",
    "{person} 喜欢 做 什么？",
    "{person} 的 爱好 是 什么？",
    "{person} 有 什么 爱好？",
    "{person} 平时 喜欢 做 什么？",
    "{person} 平时 喜欢 干 什么 呀？",
    "{person} 有 什么 爱好 呢？",
    "{person} 平时 有 什么 爱好？",
    "{person} 爱 做 什么？",
    "{person} 平时 爱 干 什么 呢？",
    "{person} 爱 干 什么 呀？",
    "你知道 {person} 的 爱好 吗？",
    "你知道 {person} 喜欢 什么 吗？",
    "告诉我 {person} 的 爱好。",
    "告诉我 {person} 平时 喜欢 什么。",
    "我想知道 {person} 的 爱好 是 什么。",
    "我想知道 {person} 喜欢 做 什么。",
)
AGE_TEMPLATES = (
    "{person} 多大 了？",
    "{person} 今年 多大？",
    "{person} 几岁 了？",
    "{person} 今年 几岁？",
    "{person} 的 年龄 是 多少？",
    "{person} 今年 多少 岁？",
    "{person} 多少 岁 了？",
    "{person} 现在 多大 了 呀？",
    "{person} 现在 多少 岁？",
    "{person} 今年 多大 岁数 了？",
    "{person} 多大 岁数 啊？",
    "{person} 有 多大 呀？",
    "你知道 {person} 今年 多大 吗？",
    "你知道 {person} 的 年龄 吗？",
    "告诉我 {person} 的 年龄。",
    "告诉我 {person} 今年 几岁。",
    "我想知道 {person} 有 多大 了。",
    "我想知道 {person} 的 年龄 是 多少。",
)
JOB_AND_CITY_TEMPLATES = (
    "{person} 在 哪里 做 什么 工作？",
    "{person} 在 哪个 城市 做 什么？",
    "{person} 在 哪儿 工作 ， 做 什么 的？",
    "{person} 在 哪儿 当 什么？",
    "{person} 在 哪个 城市 工作 ， 是 做 什么 的？",
    "{person} 是 做 什么 的 ， 在 哪里？",
    "{person} 做 什么 工作 ， 在 哪个 城市？",
    "{person} 的 工作 是 什么 ， 在 哪儿？",
    "{person} 的 职业 和 城市 是 什么？",
    "{person} 在 什么 城市 ， 职业 是 什么？",
    "你知道 {person} 在 哪儿 做 什么 吗？",
    "你知道 {person} 在 哪个 城市 当 什么 吗？",
    "告诉我 {person} 的 职业 和 城市。",
    "告诉我 {person} 在 哪里 做 什么。",
    "我想知道 {person} 在 哪儿 做 什么 工作。",
    "我想知道 {person} 的 城市 和 职业。",
)
HOME_AND_HOBBY_TEMPLATES = (
    "{person} 住 在 哪里 ， 喜欢 什么？",
    "{person} 住 哪儿 ， 有 什么 爱好？",
    "{person} 家 在 哪里 ， 平时 喜欢 做 什么？",
    "{person} 住 在 哪个 城市 ， 爱好 是 什么？",
    "{person} 喜欢 什么 ， 住 在 哪儿？",
    "{person} 有 什么 爱好 ， 住 在 哪里 呀？",
    "{person} 的 爱好 是 什么 ， 家 在 哪儿？",
    "{person} 平时 喜欢 什么 ， 家 住 哪里？",
    "{person} 的 家 在 哪个 城市 ， 有 什么 爱好 呢？",
    "{person} 住 在 什么 城市 ， 平时 喜欢 做 什么 呢？",
    "你知道 {person} 住 哪儿 、 喜欢 什么 吗？",
    "你知道 {person} 的 家 和 爱好 吗？",
    "告诉我 {person} 住 在 哪儿 、 喜欢 什么。",
    "告诉我 {person} 的 家 在 哪里 、 有 什么 爱好。",
    "我想知道 {person} 住 在 哪里 、 喜欢 什么。",
    "我想知道 {person} 住 哪个 城市 、 有 什么 爱好。",
)
LOOKUP_TEMPLATES = (
    "这里 面 {person} 是 做 什么 的？",
    "他们 当中 {person} 做 什么 工作？",
    "几个 人 里 {person} 是 做 什么 的？",
    "这 几个 人 里 {person} 是 干 什么 的？",
    "他们 里 面 {person} 从事 什么 工作？",
    "{person} 在 他们 当中 是 干 什么 的？",
    "这 几个 人 当中 {person} 做 什么？",
    "他们 几个 人 里 {person} 从事 什么 职业？",
    "这里 面 {person} 的 职业 是 什么？",
    "他们 当中 {person} 的 工作 是 什么 呀？",
    "{person} 在 这 几个 人 里 是 什么 职业？",
    "这些 人 当中 {person} 是 什么 职业 呢？",
    "这些 人 里 {person} 做 什么 工作 呢？",
    "告诉我 他们 当中 {person} 的 职业。",
    "告诉我 这 几个 人 里 {person} 做 什么 工作。",
    "我想知道 这些 人 里 {person} 的 工作。",
)
WHO_TEMPLATES = (
    "谁 是 {job}？",
    "哪个 人 是 {job}？",
    "{job} 是 谁？",
    "{job} 是 哪个 人？",
    "他们 当中 谁 是 {job}？",
    "他们 里 面 哪个 是 {job} 呀？",
    "这些 人 里 谁 是 {job}？",
    "这些 人 当中 哪个 是 {job}？",
    "这里 面 谁 是 {job} 呀？",
    "谁 的 职业 是 {job}？",
    "哪个 人 的 职业 是 {job} 呢？",
    "谁 是 当 {job} 的？",
    "你知道 谁 是 {job} 吗？",
    "你知道 他们 当中 哪个 人 是 {job} 吗？",
    "告诉我 谁 是 {job}。",
    "告诉我 这些 人 里 谁 是 {job}。",
    "我想知道 谁 的 职业 是 {job}。",
    "我想知道 这里 面 哪个 人 当 {job}。",
)

OPTIONAL_PERCENT = 40
DECLINED_PERCENT = 26


def namesake(dice, name):
    """Draw another name; half of them share the surname or the given name."""
    while True:
        new = person(dice)
        other = dice.choice((new, new, name[0] + new[1:], new[0] + name[1:]))
        if other != name:
            return other


def persons(*names):
    return tuple(("person", name) for name in names)


def draw_person(dice, template, pattern, needs):
    """Draw one person's facts and a question about those in ``needs``."""
    name, town = person(dice), city(dice)
    job, hobby, age = dice.choice(JOBS), dice.choice(HOBBIES), str(dice.between(18, 69))
    facts = {"职业": job, "城市": town, "爱好": hobby, "年龄": age}
    kept = [key for key in facts if key in needs or dice.chance(OPTIONAL_PERCENT)]
    asked = name
    miss = dice.choice(("person", "person", "fact", "context")) if dice.chance(DECLINED_PERCENT) else None
    if miss == "person":
        asked = namesake(dice, name)
    elif miss == "fact":
        kept.remove(dice.choice(needs))
        kept = kept or [dice.choice([key for key in facts if key not in needs])]
    if dice.chance(30):
        kept = dice.shuffled(kept)
    context = {} if miss == "context" else {"姓名": name, **{key: facts[key] for key in kept}}
    pairs = closed_pairs(context)
    fields = {"person": asked}
    answer = pattern.format(**fields, job=job, city=town, hobby=hobby, age=age)
    matter = persons(name) + (city_values(town) if "城市" in needs else ())
    return Draft(
        fields,
        DECLINE if miss else answer,
        slots=(*sorted(context.items()), asked),
        context=context,
        pairs=pairs if len(needs) == 2 and not miss else (),
        pairs_beside=pairs if len(needs) == 2 else (),
        values=() if miss else matter,
        values_beside=persons(name, asked) + city_values(town),
        answerable=miss is None,
    )


def closed_pairs(context):
    """Return the pairs that a question about two facts may ask for."""
    keys = [(key, kind) for key, kind in (("职业", "job"), ("爱好", "hobby")) if key in context and "城市" in context]
    return tuple(("city", context["城市"], kind, context[key]) for key, kind in keys)


def draw_people(dice, template):
    """Draw two to four people with their jobs: asked by the name or by the job."""
    names = [person(dice)]
    while len(names) < 5:
        if (name := namesake(dice, names[0])) not in names:
            names.append(name)
    jobs = dice.sample(JOBS, 5)
    count = dice.between(2, 4)
    context = dict(zip(names[:count], jobs, strict=False))
    miss = dice.chance(DECLINED_PERCENT)
    place = 4 if miss else dice.below(count)
    name, job = names[place], jobs[place]
    by_job = "job" in template.fields
    fields = {"job": job} if by_job else {"person": name}
    pattern = WHO if by_job else JOB
    asked = () if by_job and miss else persons(name)
    return Draft(
        fields,
        DECLINE if miss else pattern.format(person=name, job=job),
        slots=(*sorted(context.items()), *fields.values()),
        context=context,
        values=() if miss else asked,
        values_beside=persons(*context) + asked,
        answerable=not miss,
    )


def person_intent(name, templates, pattern, needs, weight):
    def draw(dice, template):
        return draw_person(dice, template, pattern, needs)

    return Intent(f"question_answering.{name}", templates, draw, weight)


INTENTS = (
    person_intent("job", JOB_TEMPLATES, JOB, ("职业",), 2),
    person_intent("home", HOME_TEMPLATES, HOME, ("城市",), 2),
    person_intent("hobby", HOBBY_TEMPLATES, HOBBY, ("爱好",), 2),
    person_intent("age", AGE_TEMPLATES, AGE, ("年龄",), 2),
    person_intent("job_and_city", JOB_AND_CITY_TEMPLATES, JOB_AND_CITY, ("职业", "城市"), 3),
    person_intent("home_and_hobby", HOME_AND_HOBBY_TEMPLATES, HOME_AND_HOBBY, ("城市", "爱好"), 3),
    Intent("question_answering.lookup", LOOKUP_TEMPLATES, draw_people, 3),
    Intent("question_answering.who", WHO_TEMPLATES, draw_people, 3),
)
ANSWERS = (JOB, HOME, HOBBY, AGE, JOB_AND_CITY, HOME_AND_HOBBY, WHO)
WORDS = (*SURNAMES, *GIVEN, *JOBS, *HOBBIES, "姓名职业城市爱好年龄")
