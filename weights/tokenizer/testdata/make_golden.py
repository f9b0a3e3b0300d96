"""Writes golden.json: what weights/train/tokenizer.py makes of odd texts and of every code point.

The Go twin must agree. Run it with Python alone: python make_golden.py
"""

import json
import pathlib
import random
import sys
import unicodedata

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parents[1] / "train"))
import tokenizer as twin  # noqa: E402

LENGTH = 32
vocabulary = ["<pad>", "<unk>"] + """a person with long short wavy blond hair and round glasses green background smiling the woman's man's 3
i straße strasse σοφος σοφοσ ижица naïve x1 rock'n'roll o'clock ß i̇ 你好 مرحبا ١٢""".split()

rng = random.Random(1)
thousand = " ".join(rng.choice(vocabulary[2:] + ["zebra", "Quux", "it's"]) for _ in range(1000))
alphabet = "aB'’ \t\n-_3٣ßẞİıΣσς.,!é́你🙂‍\u200d\u00a0\u2028\ufeffʼʹªⅷ²ǅ\x00"
texts = [
    "", " ", "\t\n", "a person with long wavy blond hair and round glasses, green background",
    "A PERSON With LONG hAIR", "a person,with;long/hair", "...", "a-b_c", "hair.hair", "(hair)", "hair!!!",
    "purple hair on a zebra", "ΣΟΦΟΣ σοφος ΣΟΦΟΣ.", "STRASSE STRAẞE straße", "İ I ı i i̇", "ИЖИЦА ижица", "naïve NAÏVE naive",
    "你好 你 好", "مرحبا", "x1 X1 1x 3 03 ١٢ ² ⅷ ½", "woman's woman’s WOMAN'S womans woman' 'woman 'woman's'", "rock'n'roll rock''n''roll 'n'",
    "o’clock o’ clock ’ '", "'", "''''", "it's 'twas", "a🙂person 🙂 👩‍🦰 hair", "cafe\u0301 café", "a\u0301\u0302b", "\u0301hair", "hair\u200dhair\u200b",
    "a\u00a0person\u2028with\ufefflong", "ǅ ǆ Ǆ", "ʼn ŉ n't", "ﬁ ﬀ Ａ ｂ １", "𝐇𝐚𝐢𝐫 𝟛 𐐀 𐐨", "<pad> <unk> pad unk", "\x00hair\x00", "a" * 300,
    " ".join(["hair"] * 31), " ".join(["hair"] * 32), " ".join(["hair"] * 33 + ["zebra"]), thousand,
] + ["".join(rng.choice(alphabet) for _ in range(rng.randrange(60))) for _ in range(60)]

t = twin.Tokenizer(vocabulary)
cases = [{"text": s, "words": twin.words(s), "ids": t(s, LENGTH)} for s in texts]


def ranges(points):
    out = []
    for p in points:
        if out and out[-1][1] == p - 1:
            out[-1][1] = p
        else:
            out.append([p, p])
    return out


points = [p for p in range(0x110000) if not 0xD800 <= p < 0xE000]
unassigned = [p for p in points if unicodedata.category(chr(p)) == "Cn"]
word = [p for p in points if twin.words(chr(p))]
lower = [[p, ord(w[0])] for p in word for w in twin.words(chr(p)) if w != chr(p)]

golden = {
    "unicode": unicodedata.unidata_version, "length": LENGTH, "vocabulary": vocabulary,
    "unassigned": ranges(unassigned), "word": ranges(word), "lower": lower,
}
lines = [f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in golden.items()]
lines.append('"cases":[\n' + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]")
(here / "golden.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
