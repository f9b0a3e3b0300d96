"""Word-level tokenizer. Its twin in Go must give the same ids for the same text.

The text is lowercased character by character (simple Unicode mapping, no special casing). A token is a maximal run of
letters (Unicode L*) and decimal digits (Nd); an apostrophe between two of them belongs to the token ("bird's").
Everything else separates. id 0 = <pad>, 1 = <unk>, then the vocabulary in file order.
"""

import unicodedata
from collections import Counter

PAD, UNK = 0, 1
LENGTH = 32  # tokens of a prompt, padded or cut
APOSTROPHES = "'\u2019"  # typed and typographic; both are written ' in the vocabulary


def _is_word(c):
    category = unicodedata.category(c)
    return category[0] == "L" or category == "Nd"


def words(text):
    """The tokens of a text, in order."""
    # lower() of one character may give two (U+0130); the first is the simple mapping.
    text = "".join(c.lower()[0] for c in text)
    out, word = [], ""
    for i, c in enumerate(text):
        if _is_word(c):
            word += c
        elif c in APOSTROPHES and word and i + 1 < len(text) and _is_word(text[i + 1]):
            word += "'"
        elif word:
            out.append(word)
            word = ""
    return out + [word] if word else out


class Tokenizer:
    def __init__(self, vocabulary):
        if vocabulary[:2] != ["<pad>", "<unk>"]:
            raise ValueError(f"vocabulary must begin with <pad>, <unk>; it begins with {vocabulary[:2]}")
        self.vocabulary = vocabulary
        self.ids = {w: i for i, w in enumerate(vocabulary)}

    @classmethod
    def build(cls, captions):
        """A vocabulary of all words of the captions, the most frequent first."""
        count = Counter(w for c in captions for w in words(c))
        return cls(["<pad>", "<unk>"] + sorted(count, key=lambda w: (-count[w], w)))

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as f:
            return cls(f.read().splitlines())

    def save(self, path):
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join(self.vocabulary) + "\n")

    def __len__(self):
        return len(self.vocabulary)

    def __call__(self, text, length=LENGTH):
        """Ids of a text: a list of exactly `length`."""
        ids = [self.ids.get(w, UNK) for w in words(text)][:length]
        return ids + [PAD] * (length - len(ids))
