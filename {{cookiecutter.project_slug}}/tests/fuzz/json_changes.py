"""Changes to a request's JSON: each takes the random numbers and the decoded body."""

import copy
import json

_RAW_BYTES_MAX = 100_000_000
_CONFIG_CHARS_MAX = 100_000
_RAW = "@@raw"  # a text that is replaced by what json.dumps would not write
_AGAIN = "@@again@"  # the prefix of a key that the object has already

_VALUES = [
    *(None, True, False, 0, -1, 1, 2, 0.5, -0.0, 1e308, 5e-324),
    *(2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63), -(2**64), 10**40),
    *("", " ", "0", "1", "-1", "null", "true", "1.5", "1.1795437520", "9" * 30),
    *(
        *(
            "1.99999999999999999999",
            "1.-5",
            "nan",
            "[]",
            "{}",
            "\x00",
            "a\x00b",
            "\x1b",
        ),
        "1.-5",
        "nan",
        "[]",
        "{}",
        "\x00",
        "a\x00b",
        "\x7f\x1b",
    ),
    *("\ufeff", "\ufffe\uffff", "\u202eabc", "e" + "\u0301" * 200, "\ufdfa" * 50),
    *("\U0001f469\u200d\U0001f467" * 9, "\U0001d518" * 300, "\xdf", "\u0130"),
    *("'; DROP TABLE audit_prediction; --", "<script>alert(1)</script>", "%s%n%(x)s"),
    *("../../etc/passwd", "$text", "{{ 7*7 }}", "\r\nX-Injected: 1", "\\u0000", "\\"),
    *("0000-00-00", "9999-12-31T23:59:59+23:59", "0001-01-01T00:00:00+14:00"),
    *("2026-11-23T12:38:47.750299Z", "http://u:p@h/?token=x", "eyJhbGciOi.J9.x"),
    *([], {}, [[]], [{}], [None], {"": ""}, {"id": 1}, {"a": {"b": [1]}}),
]
_RAW_VALUES = [
    *('"\\ud800"', '"\\udfff\\ud800"', "1e400", "-1e999", "NaN", "Infinity", "1E+2"),
    *("01", "+1", ".5", "'a'", "undefined", "", "tru", '"\\x"', '"unclosed', "{", "]"),
    *("1" * 5_000, "0." + "1" * 5_000, "-0", '"\\u0000\\u0000"', "/* */ 1", "1,"),
]
_IDS = [0, -1, 1, 2, 3, 7, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63), "1", "01", 1.0]


def mutated(rng, body):
    """Return the JSON text of a body after one or a few changes."""
    holder, raws = {"body": copy.deepcopy(body)}, []
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        places = list(_places(holder))
        container, key = rng.choice(places)
        change = rng.choices(_CHANGES, _WEIGHTS)[0]
        change(rng, container, key, places, raws)
    text = json.dumps(holder["body"], ensure_ascii=rng.random() < 0.5)
    for number, raw in enumerate(raws):
        mark = f'"{_RAW}{number}"'
        # A deeply nested value in a list that was repeated could take gigabytes.
        fits = text.count(mark) * len(raw) < _RAW_BYTES_MAX
        text = text.replace(mark, raw if fits else "1")
    return text.replace(_AGAIN, "").encode("utf-8", "surrogatepass")


def _places(container, limit=3_000):
    waiting, found = [container], 0
    while waiting and found < limit:
        inner = waiting.pop()
        keys = inner if isinstance(inner, dict) else range(len(inner))
        for key in keys:
            found += 1
            yield inner, key
            if isinstance(inner[key], dict | list):
                waiting.append(inner[key])


def _replace(rng, container, key, places, raws):
    container[key] = copy.deepcopy(rng.choice(_VALUES))


def _replace_raw(rng, container, key, places, raws):
    container[key] = f"{_RAW}{len(raws)}"
    raws.append(rng.choice(_RAW_VALUES))


def _delete(rng, container, key, places, raws):
    if len(places) > 1 and container is not places[0][0]:
        del container[key]


def _repeat_key(rng, container, key, places, raws):
    if isinstance(container, dict) and "body" not in container:
        container[_AGAIN + key] = copy.deepcopy(rng.choice(_VALUES))


def _rename_key(rng, container, key, places, raws):
    if isinstance(container, dict) and "body" not in container:
        name = rng.choice([key.upper(), key + "_", "", "__proto__", "k" * 3_000, "é"])
        container[name] = container.pop(key)


def _swap(rng, container, key, places, raws):
    other, name = rng.choice(places)
    nested = [container[key], other[name]]
    if not any(isinstance(each, dict | list) for each in nested):
        container[key], other[name] = nested[1], nested[0]


def _repeat_in_list(rng, container, key, places, raws):
    """Repeat elements, with the same ids or others, or empty the list."""
    lists = [inner[at] for inner, at in places if isinstance(inner[at], list)]
    if not lists:
        return
    chosen = rng.choice(lists)
    times = rng.choices([0, 2, 10, 300, 5_000], [6, 6, 4, 1, 0.15])[0]
    elements, same = chosen[:3], rng.random() < 0.5
    chosen.clear()
    if not elements or len(json.dumps(elements)) * times > 8_000_000:
        return
    for number in range(times):
        element = copy.deepcopy(elements[number % len(elements)])
        if isinstance(element, dict) and not same:
            element["id"] = number + 1
        chosen.append(element)


def _change_ids(rng, container, key, places, raws):
    ids = [
        (inner, at)
        for inner, at in places
        if isinstance(at, str) and (at == "id" or at in {"task", "project", "job"})
    ]
    for inner, at in ids:
        if not isinstance(inner[at], dict | list):
            inner[at] = rng.choice([*_IDS, rng.randrange(1, 500)])


def _lengthen(rng, container, key, places, raws):
    length = rng.choices([300, 10_000, 300_000, 3_000_000], [6, 3, 1, 0.15])[0]
    container[key] = rng.choice(["a", "é", "\U0001f600", "\\", '"', "\n"]) * length


def _nest(rng, container, key, places, raws):
    depth = rng.choices([3, 190, 201, 260, 2_000, 100_000], [3, 3, 3, 3, 2, 0.5])[0]
    opening, closing = rng.choice([("[", "]"), ('{"a":', "}")])
    container[key] = f"{_RAW}{len(raws)}"
    raws.append(opening * depth + "1" + closing * depth)


def _change_config(rng, container, key, places, raws):
    configs = [
        (inner, at)
        for inner, at in places
        if isinstance(inner[at], str)
        and "<View" in inner[at]
        # Changed twice, it could take gigabytes.
        and len(inner[at]) < _CONFIG_CHARS_MAX
    ]
    for inner, at in configs:
        inner[at] = rng.choice(_CONFIG_CHANGES)(rng, inner[at])


_CONFIG_CHANGES = [
    lambda rng, xml: xml[: rng.randrange(len(xml))],
    lambda rng, xml: xml.replace("Choices", rng.choice(["Labels", "", "é", "a:b"])),
    lambda rng, xml: xml.replace('toName="text"', rng.choice(['toName="x"', ""])),
    lambda rng, xml: xml.replace('"sentiment"', '"' + "n" * rng.randrange(5_000) + '"'),
    lambda rng, xml: xml.replace("$text", rng.choice(["", "text", "$$", "${a.b}"])),
    lambda rng, xml: '<!DOCTYPE a [<!ENTITY b "c">]>' + xml.replace("Positive", "&b;"),
    lambda rng, xml: xml.replace("<View>", "<View>" * rng.choice([2, 120, 20_000])),
    lambda rng, xml: _many_labels(xml, rng.choices([10, 2_000, 20_000], [4, 2, 1])[0]),
    lambda rng, xml: _many_labels(xml, rng.randrange(50, 500)),
    lambda rng, xml: xml.replace("Positive", rng.choice(["\x01", "&#0;", "&#x1F600;"])),
    lambda rng, xml: f'<?xml version="1.0" encoding="utf-16"?>{xml}',
    lambda rng, xml: f"<!-- {'c' * rng.randrange(200_000)} -->{xml}",
    lambda rng, xml: xml.replace("Negative", f"label {rng.randrange(1_000_000)}"),
]


def _many_labels(xml, number):
    labels = "".join(f'<Choice value="label {each}"/>' for each in range(number))
    return xml.replace("</Choices>", labels + "</Choices>")


_CHANGES, _WEIGHTS = zip(
    (_replace, 8),
    (_replace_raw, 3),
    (_delete, 5),
    (_repeat_key, 2),
    (_rename_key, 2),
    (_swap, 3),
    (_repeat_in_list, 3),
    (_change_ids, 5),
    (_lengthen, 2),
    (_nest, 2),
    (_change_config, 4),
    strict=True,
)
