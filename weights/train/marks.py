"""Generated parts of files that are otherwise written by hand."""

import os


def put(path, name, text):
    """Replaces what stands between the two marks of this name."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    with open(path, encoding="utf-8") as f:
        old = f.read()
    before, first, rest = old.partition(begin)
    _, last, after = rest.partition(end)
    if not last or begin in rest or end in before + after:
        raise ValueError(f"{path}: want {begin} and {end} once each, in this order")
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(f"{before}{begin}\n{text}\n{end}{after}")
    os.replace(path + ".new", path)  # whole, or what was written by hand is lost
