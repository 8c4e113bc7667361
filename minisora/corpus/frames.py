"""Polite frames: what people say before and after a question, the same for all intents."""

ANY = ("你好，", "您好，", "嗨，", "你好呀，", "打扰一下，", "小助手，")
QUESTION = ("请问", "请问，", "我想问一下，", "问一下，", "麻烦问一下，", "你好，请问", "您好，请问")
REQUEST = ("请", "请你", "麻烦你", "你好，请", "您好，麻烦你")
AFTER = ("谢谢！", "谢谢。", "谢谢你！", "多谢！", "麻烦了！", "谢谢啦！")
VERBS = tuple("查说看写讲给选填算比把用来做换") + ("告诉", "介绍", "推荐")  # a request begins with one

BEFORE_PERCENT = 40
AFTER_PERCENT = 18
BARE_PERCENT = 10  # without the last punctuation mark, as people type


def frame(dice, turns):
    """Put polite words before the first turn and after the last; return the turns as a list."""
    turns = list(turns)
    if dice.chance(BEFORE_PERCENT):
        turns[0] = dice.choice(_openings(turns[0])) + turns[0]
    if dice.chance(AFTER_PERCENT):
        turns[-1] += dice.choice(AFTER)
    elif dice.chance(BARE_PERCENT):
        turns[-1] = turns[-1].rstrip("。？")
    return turns


def _openings(turn):
    if turn.endswith("？"):
        return ANY + QUESTION
    return ANY + REQUEST if turn.startswith(VERBS) else ANY
