"""Ways to damage a model's folder: each takes the files, name to bytes, and dice, and returns other files."""

import json
import re
import struct

MODEL = "model.safetensors"
NATURALS = (0, 1, 2, 3, 5, 7, 1 << 15, 1 << 24, (1 << 31) - 1, 1 << 32, 1 << 63, (1 << 64) - 1, 1 << 80, 10**300)
JUNK = (
    None, True, False, -1, -0.0, 0.5, 1e308, *NATURALS, "", "a", "今", "\ud800", "\U0001f600", "\n", "\0", "F16", "F64",
    "BF16", "I64", "pre", "rnn", "lstm", "words", "bpe", "../x", "x" * 5000, [], {}, [[]], [0, 8], [2, 3], ["norm"],
    {"a": 1}, {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, list(range(300)),
)  # fmt: skip
RAW = (
    "NaN", "-Infinity", "1e999", "1" * 400, "9" * 5000, "01", "'a'", "\\", "[1,]", '"\\ud83d"', "[" * 30000,
    "[" * 900 + "]" * 900, '{"a":' * 500 + "1" + "}" * 500, "[0" + ",0" * 40000 + "]", '{"a":1,"a":2}',
    '{"a":1,"\\u0061":2}', "{" + ",".join(f'"{n}":0' for n in range(3000)) + "}",
)  # fmt: skip
NAMES = (
    "config", "tokenizer", "target_tokenizer", "layers", "format", "version", "tokens", "scores", "merges", "kind",
    "normalization", "__metadata__", "minisora", "more", "d_model", "copy", "encoder", "dtype", "shape",
)  # fmt: skip
HOLE = "a hole to be filled"


def flip_bits(files, dice):
    name, data = pick(files, dice)
    data = bytearray(data)
    region = len(data) if dice.random() < 0.3 else min(len(data), header_end(files))
    for _ in range(dice.choice((1, 1, 2, 8))):
        data[dice.randrange(region)] ^= 1 << dice.randrange(8)
    return files | {name: bytes(data)}


def cut(files, dice):
    name, data = pick(files, dice)
    return files | {name: data[: dice.choice((0, 1, 7, 8, 9, dice.randrange(len(data)), len(data) - 1))]}


def insert(files, dice):
    name, data = pick(files, dice)
    place = dice.choice((0, 8, len(data), dice.randrange(len(data))))
    return files | {name: data[:place] + dice.randbytes(dice.choice((1, 2, 8, 1000))) + data[place:]}


def repeat(files, dice):
    """A part of a file a second time, in the place of another part or between."""
    name, data = pick(files, dice)
    start, other = dice.randrange(len(data)), dice.randrange(len(data))
    part = data[start : start + dice.choice((1, 4, 50, 5000))]
    return files | {name: data[:other] + part + data[other + dice.choice((0, len(part))) :]}


def header_length(files, dice):
    length = dice.choice((*NATURALS[:-2], header_end(files) - 8 + dice.randrange(-9, 9), dice.randrange(1 << 20)))
    return files | {MODEL: struct.pack("<Q", max(0, min(length, (1 << 64) - 1))) + files[MODEL][8:]}


def header(files, dice):
    """One value of the header exchanged, taken away or added."""
    fields, data = parts(files)
    return joined(files, edited(fields, dice), data)


def raw_header(files, dice):
    """What only a text can hold, in the place of one value of the header."""
    fields, data = parts(files)
    return joined(files, put(fields, dice, HOLE), data, dice.choice(RAW))


def duplicate_key(files, dice):
    """The same name a second time, in the header or in a JSON file."""
    name, content = pick(files, dice)
    text = content.decode() if name != MODEL else json.dumps(parts(files)[0], ensure_ascii=False)
    keys = [found.start() for found in re.finditer(r'"[^"\\]*": ', text)]
    place = dice.choice(keys)
    again = text[place : text.index(": ", place)] + ": " + dice.choice(("0", '""', "{}", "[]")) + ", "
    text = text[:place] + again + text[place:]
    return files | {name: packed(text.encode(), parts(files)[1]) if name == MODEL else text.encode()}


def swap_offsets(files, dice):
    fields, data = parts(files)
    first, second = dice.sample(tensors(fields), 2)
    kind = dice.choice(("data_offsets", "shape", "dtype", None))
    if kind is None:
        fields[first], fields[second] = fields[second], fields[first]
    else:
        fields[first][kind], fields[second][kind] = fields[second][kind], fields[first][kind]
    return joined(files, fields, data)


def lie(files, dice):
    """A shape, type or byte range that may still fit the number of bytes."""
    fields, data = parts(files)
    field = fields[dice.choice(tensors(fields))]
    shape = field["shape"]
    lies = (
        lambda: field.update(shape=shape[::-1]),
        lambda: field.update(shape=[*shape, 1]),
        lambda: field.update(shape=[len_of(shape)]),
        lambda: field.update(shape=[0, *shape]),
        lambda: field.update(shape=[2 * size for size in shape]),
        lambda: field.update(dtype=dice.choice(("F16", "BF16", "F64", "I32", "F32", "U8"))),
        lambda: field.update(dtype="F16", shape=[*shape[:-1], 2 * shape[-1]]),
        lambda: field.update(data_offsets=[dice.choice(NATURALS), dice.choice(NATURALS)]),
        lambda: field.update(shape=[dice.choice(NATURALS) for _ in range(dice.randrange(10))]),
        lambda: field.update(data_offsets=[offset + dice.choice((-4, 4)) for offset in field["data_offsets"]]),
    )
    dice.choice(lies)()
    return joined(files, fields, data)


def other_tensors(files, dice):
    """One array renamed, taken away or added, its bytes with it."""
    fields, data = parts(files)
    name = dice.choice(tensors(fields))
    start, stop = fields[name]["data_offsets"]
    action = dice.randrange(4)
    if action == 0:
        fields[dice.choice((name + "x", name[:-1], name.upper(), "\ud800", "a" * 300, "\n"))] = fields.pop(name)
    elif action == 1:
        del fields[name]
        data = data[:start] + data[stop:]
        for other in tensors(fields):
            if fields[other]["data_offsets"][0] >= stop:
                fields[other]["data_offsets"] = [offset - (stop - start) for offset in fields[other]["data_offsets"]]
    elif action == 2:
        fields["more"] = {**fields[name], "data_offsets": [len(data), len(data) + stop - start]}
        data += data[start:stop]
    else:
        for number in range(dice.choice((1, 50))):
            fields[f"encoder.stack.layers.{number}.more"] = {**fields[name], "shape": [0], "data_offsets": [0, 0]}
    return joined(files, fields, data)


def values(files, dice):
    """Numbers overwritten: some that are not finite, some that are only large."""
    fields, data = parts(files)
    data, field = bytearray(data), fields[dice.choice(tensors(fields))]
    code = {"F16": "<e", "F32": "<f", "F64": "<d"}[field["dtype"]]
    size = struct.calcsize(code)
    place = dice.randrange(field["data_offsets"][0], field["data_offsets"][1], size)
    largest = {"<e": 65504.0, "<f": 3.4e38, "<d": 1.7e308}[code]
    value = dice.choice((float("nan"), float("inf"), -float("inf"), largest, -largest, 0.0, 6e-8))
    data[place : place + size] = struct.pack(code, value)
    return joined(files, fields, bytes(data))


def describe(files, dice):
    """The config or a tokenizer edited, in the header alone or in its copy as well."""
    fields, data = parts(files)
    description = json.loads(fields["__metadata__"]["minisora"])
    key = dice.choice([key for key in description if isinstance(description[key], dict)])
    part = edited(description[key], dice) if dice.random() < 0.8 else put(description[key], dice, HOLE)
    fields["__metadata__"]["minisora"] = filled({**description, key: part}, raw := dice.choice(RAW))
    copy = {f"{key}.json": filled(part, raw).encode("utf-8", "replace")} if dice.random() < 0.6 else {}
    return joined(files, fields, data) | copy


def description(files, dice):
    """What the header says of the model, edited in any place, or replaced."""
    fields, data = parts(files)
    content = json.loads(fields["__metadata__"]["minisora"])
    text = filled(dice.choice((edited(content, dice), put(content, dice, HOLE))), dice.choice(RAW))
    fields["__metadata__"]["minisora"] = dice.choice(
        (text, text, text, text[: dice.randrange(len(text))], "", "[" * 999)
    )
    if dice.random() < 0.1:
        fields["__metadata__"]["more"] = dice.choice(("a", "\ud800", 3, None))
    return joined(files, fields, data)


def config_number(files, dice):
    """Only numbers of the config, with the copy taken away: it may still fit the arrays."""
    fields, data = parts(files)
    content = json.loads(fields["__metadata__"]["minisora"])
    numbers = [name for name, value in content["config"].items() if type(value) in (int, float)]
    for name in dice.sample(numbers, dice.choice((1, 1, 2))):
        content["config"][name] = dice.choice((*NATURALS, -1, 0.5, 1.0, 1e-300, content["config"][name] + 1))
    fields["__metadata__"]["minisora"] = json.dumps(content)
    return {MODEL: joined(files, fields, data)[MODEL]}


def config_choice(files, dice):
    """Another kind of model than the one that was saved."""
    fields, data = parts(files)
    content = json.loads(fields["__metadata__"]["minisora"])
    choices = dict(
        activation=("relu", "gelu", "gelu_tanh"), norm=("pre", "post"), positions=("sinusoidal", "learned"),
        tie=("none", "output", "all"), encoder=("transformer", "rnn"), cell=("rnn", "gru", "lstm"),
        bidirectional=(True, False), copy=(True, False),
    )  # fmt: skip
    for name in dice.sample(sorted(choices), dice.choice((1, 2))):
        content["config"][name] = dice.choice(choices[name])
    fields["__metadata__"]["minisora"] = json.dumps(content)
    return {MODEL: joined(files, fields, data)[MODEL]}


def copies(files, dice):
    """A JSON file replaced, or taken away, or the description taken out of the header."""
    name = dice.choice([name for name in files if name != MODEL])
    action = dice.randrange(4)
    if action == 0:
        return {other: data for other, data in files.items() if other != name}
    if action == 1:
        fields, data = parts(files)
        del fields["__metadata__"]
        files = joined(files, fields, data)
    if action == 2:
        return files | {name: dice.choice((b"", b"\xff", b"{}", b"[]", b"\xef\xbb\xbf{}", b"x" * 70000, b"0"))}
    text = filled(dice.choice((edited, lambda c, d: put(c, d, HOLE)))(json.loads(files[name]), dice), dice.choice(RAW))
    return files | {name: text.encode("utf-8", "replace")}


def twice(files, dice):
    """Two of the others, where the second still finds something to change."""
    files = dice.choice(MUTATIONS[:-1])(files, dice)
    try:
        return dice.choice(MUTATIONS[:-1])(files, dice)
    except Exception:  # it cannot read any more what it would edit
        return files


MUTATIONS = (
    flip_bits, cut, insert, repeat, header_length, header, raw_header, duplicate_key, swap_offsets, lie, other_tensors,
    values, describe, description, config_number, config_choice, copies, twice,
)  # fmt: skip


def pick(files, dice):
    """A file that is not empty; the model in half of the cases."""
    name = MODEL if dice.random() < 0.5 else dice.choice(sorted(files))
    return (name, files[name]) if files[name] else (MODEL, files[MODEL])


def header_end(files):
    return 8 + int.from_bytes(files[MODEL][:8], "little")


def parts(files):
    """The header as an object, and the bytes behind it."""
    end = header_end(files)
    return json.loads(files[MODEL][8:end]), files[MODEL][end:]


def packed(text, data):
    return struct.pack("<Q", len(text)) + text + data


def joined(files, fields, data, raw="0"):
    """The files with another header; where it has a hole, ``raw`` fills it."""
    return files | {MODEL: packed(filled(fields, raw).encode(), data)}


def filled(content, raw):
    return json.dumps(content).replace(json.dumps(HOLE), raw)


def tensors(fields):
    return [name for name in fields if name != "__metadata__"]


def len_of(shape):
    size = 1
    for length in shape:
        size *= length
    return size


def places(value, path=()):
    """The path of everything inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inside:
        yield (*path, key)
        yield from places(part, (*path, key))


def edited(content, dice):
    """A copy of a JSON value with one part exchanged, taken away, doubled or added."""
    content, holder, key = at_random(content, dice)
    action = dice.randrange(4)
    if action == 0:
        del holder[key]
    elif action == 1 and isinstance(holder, list):
        holder.insert(key, holder[key])
    elif action == 2 and isinstance(holder, dict):
        holder[dice.choice(NAMES)] = dice.choice(JUNK)
    else:
        holder[key] = dice.choice(JUNK)
    return content


def put(content, dice, value):
    """A copy of a JSON value with ``value`` in one place."""
    content, holder, key = at_random(content, dice)
    holder[key] = value
    return content


def at_random(content, dice):
    """A copy, and in it a holder and a key: of few values in a long list, or every other would be there."""
    content = json.loads(json.dumps(content))
    found = list(places(content))
    shallow = [path for path in found if len(path) < 3]
    path = dice.choice(shallow if dice.random() < 0.5 else found)
    holder = content
    for key in path[:-1]:
        holder = holder[key]
    return content, holder, path[-1]
