# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Questions about facts that you paste
#
# *10 minutes. Needs: Python. 目标：粘贴几行资料，就其中的内容提问。*
#
# Lines of the form 姓名：王小明 become the context of a question. The model answers from them, or is to say that they
# do not tell.

# %%
import re

from minisora.checkpoint import load
from minisora.corpus import build_source
from minisora.generation import answer

model, tokenizer, _ = load("sora/sora-base")

# %% [markdown]
# ## Paste
#
# 粘贴资料：一行一条，冒号两边是名称和内容。

# %%
PASTED = """
姓名：王小明
职业：老师
城市：西安
爱好：爬山
年龄：35
"""


def read_facts(text):
    """The facts of lines that have a colon, full-width or not, in the middle."""
    pairs = (re.split("[:：]", line, maxsplit=1) for line in text.splitlines() if re.search("[:：]", line))
    return {name.strip(): value.strip() for name, value in pairs}


facts = read_facts(PASTED)
print(facts)

# %% [markdown]
# ## Ask
#
# 提问：可以问一件事，也可以问两件事。

# %%
QUESTIONS = (
    "王小明是做什么的？",
    "王小明住在哪里？",
    "王小明喜欢做什么？",
    "王小明今年多大？",
    "王小明在哪里做什么工作？",
)


def ask(facts, questions):
    """Print each question with its answer."""
    sources = [build_source(facts, question) for question in questions]
    for question, said in zip(questions, answer(model, tokenizer, tokenizer, sources), strict=True):
        print(question, "→", said)


ask(facts, QUESTIONS)

# %% [markdown]
# ## One of several people
#
# 几个人当中找一个：名字和职业列成表。
#
# Hold the answers against the list: among several, the model may take the neighbour.

# %%
people = read_facts("王芳：医生\n李强：司机\n赵敏：画家")
ask(people, ("李强是做什么的？", "几个人里赵敏是做什么的？", "谁是画家？"))

# %% [markdown]
# ## What the facts do not tell
#
# 资料里没有的：应当回答“抱歉，我没有这方面的信息。”
#
# Half of the skill is to decline. It mostly does for another person; where a fact is left out, and for a question of a
# kind that it never saw, it may make up an answer, or take the wrong fact. Do not count on it.

# %%
ask(facts, ("李雷是做什么的？", "王小明有几个孩子？", "王小明的电话是多少？"))
without_job = {name: value for name, value in facts.items() if name != "职业"}
ask(without_job, ("王小明是做什么的？",))
ask({}, ("王小明是做什么的？", "中国的首都是哪里？"))

# %% [markdown]
# ## Free text is no list of facts
#
# 一段文章不行：模型只会读“名称=内容”这样的事实。
#
# The same facts in a sentence are not understood: somebody, or another program, must make the list.

# %%
ask({"资料": "王小明在西安当老师，今年35岁，平时喜欢爬山"}, QUESTIONS[:3])

# %% [markdown]
# ## Hold the answer against the facts
#
# 核对：回答里的话，资料里有没有？
#
# A cheap check: an answer should take up a fact besides the name. It finds what was made up (the job that is not in the
# facts), and not what was taken from the wrong fact (the children).


# %%
def stands_in(facts, said):
    """Which facts an answer takes up, word for word."""
    return [name for name, value in facts.items() if value in said]


for known, question in (*((facts, question) for question in QUESTIONS), (without_job, "王小明是做什么的？")):
    (said,) = answer(model, tokenizer, tokenizer, [build_source(known, question)])
    print(question, said, stands_in(known, said))
(said,) = answer(model, tokenizer, tokenizer, [build_source(facts, "王小明有几个孩子？")])
print("王小明有几个孩子？", said, stands_in(facts, said))

# %% [markdown]
# ## Exercises
#
# 练习：
#
# 1. Change the order of the facts, and add some of your own. When does an answer change?
# 2. Paste two people into one context. What would the facts have to be called?
# 3. `minisora evaluate` counts how often the model declines where it should. How often is it wrong, and which way?
