"""Question answering: the answer is in the context, under the key and the name that are asked for."""

from itertools import islice

from minisora.corpus import parse_source, stream

EXAMPLES = [drawn for drawn in islice(stream(6), 10_000) if drawn.scenario == "question_answering"]
KEYS = {
    "job": ("职业",), "home": ("城市",), "hobby": ("爱好",), "age": ("年龄",), "job_and_city": ("职业", "城市"),
    "home_and_hobby": ("城市", "爱好"),
}  # fmt: skip


def test_one_person():
    for drawn in EXAMPLES:
        context, (question,) = parse_source(drawn.source)
        keys = KEYS.get(drawn.intent.split(".")[1])
        if keys:
            # by the slot: a told name may be the beginning of the asked one, as 王志 is of 王志强
            answered = context.get("姓名") == drawn.slots[-1] and all(key in context for key in keys)
            assert answered is drawn.answerable, drawn
            assert drawn.slots[-1] in question
        if keys and drawn.answerable:
            assert all(context[key] in drawn.target for key in ("姓名", *keys))


def test_one_of_several_by_name_and_by_job():
    for drawn in EXAMPLES:
        context, (question,) = parse_source(drawn.source)
        asked = drawn.slots[-1]
        if drawn.intent == "question_answering.lookup":
            assert drawn.answerable is (asked in context)
            assert not drawn.answerable or drawn.target == f"{asked}的职业是{context[asked]}。"
        elif drawn.intent == "question_answering.who":
            people = [name for name, job in context.items() if job == asked]
            assert drawn.answerable is bool(people)
            assert not drawn.answerable or [drawn.target] == [f"{name}是{asked}。" for name in people]
            assert asked in question
