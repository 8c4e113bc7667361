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
# # Exercises for pupils, with answers and advice
#
# *10 minutes. Needs: Python. 目标：给小学生出题，批改，并给出建议。*
#
# The corpus's generator makes exercises whose right answers it knows: sums, antonyms, measure words. The model plays
# the pupil here: it has learnt to answer them, and still gets sums wrong. So the key is computed, never asked of the
# model.

# %%
import re
from itertools import islice

from minisora.checkpoint import load
from minisora.corpus import stream
from minisora.generation import answer

model, tokenizer, _ = load("sora/sora-base")

# %% [markdown]
# ## A sheet
#
# 出题：同一个种子，同一份卷子；答案由程序算出。


# %%
def sheet(seed, count=10):
    """Exercises that training never showed, each with its right answer."""
    examples = islice(stream(seed, "iid"), 100 * count)
    return [example for example in examples if example.scenario in ("education", "arithmetic")][:count]


exercises = sheet(seed=7)
for number, exercise in enumerate(exercises, 1):
    print(f"{number:2}. {exercise.source}")

# %% [markdown]
# ## The key
#
# 答案：由生成题目的程序给出。

# %%
for number, exercise in enumerate(exercises, 1):
    print(f"{number:2}. {exercise.target}")

# %% [markdown]
# ## A pupil's answers
#
# 学生的答卷：这里由模型来答，也可以换成真正的学生。

# %%
answers = answer(model, tokenizer, tokenizer, [exercise.source for exercise in exercises])
for exercise, said in zip(exercises, answers, strict=True):
    print("✓" if said == exercise.target else "✗", said)

# %% [markdown]
# ## Advice
#
# 建议：按错误的种类给出，由规则写成，不是模型写的。
#
# A model that cannot explain a sum must not pretend to. The advice is a rule for each kind of mistake: wrong by tens,
# wrong in the ones, or just to be practised.

# %%
PRACTISE = {
    "antonym": "把意思相反的词成对地读几遍。", "measure": "量词要跟着名词一起记。", "kind": "想一想它平时用来做什么。",
    "multiply": "再背一背乘法口诀。", "convert": "先写出两个单位之间的进率。",
}  # fmt: skip


def advice(exercise, said):
    """What to tell a pupil; nothing where the answer is right."""
    if said == exercise.target:
        return ""
    kind = exercise.intent.split(".")[1]
    right, given = (re.findall(r"\d+", text)[-1:] for text in (exercise.target, said))
    if kind in ("add", "subtract") and right and given:
        off = abs(int(right[0]) - int(given[0]))
        return "注意进位和退位。" if off % 10 == 0 else "个位再算一遍。"
    return next((text for name, text in PRACTISE.items() if kind.startswith(name)), "再读一遍题目。")


# %% [markdown]
# ## The marked sheet
#
# 批改后的卷子：

# %%
for number, (exercise, said) in enumerate(zip(exercises, answers, strict=True), 1):
    print(f"{number:2}. {exercise.source}\n    {said}")
    if hint := advice(exercise, said):
        print(f"    答案：{exercise.target} 建议：{hint}")
print(f"{sum(said == exercise.target for exercise, said in zip(exercises, answers, strict=True))} / {len(exercises)}")

# %% [markdown]
# ## How good a pupil is the model?
#
# 模型这个“学生”怎么样？词语学得好，算术会出错。

# %%
many = sheet(seed=8, count=60)
said = answer(model, tokenizer, tokenizer, [exercise.source for exercise in many])
marks = {}
for exercise, text in zip(many, said, strict=True):
    marks.setdefault(exercise.intent, []).append(text == exercise.target)
for intent, right in sorted(marks.items()):
    print(f"{intent:24} {sum(right):2} / {len(right)}")

# %% [markdown]
# ## Exercises
#
# 练习：
#
# 1. Read the answers with `input()` in the place of the model, and print the marked sheet for a real pupil.
# 2. A wrong word problem may come from the wrong operation. Tell that from a wrong sum, and advise accordingly.
# 3. Let the next sheet hold more of what went wrong in this one.
