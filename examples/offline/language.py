"""A small n-gram model of what is said, with room for what is not meant for us.

It knows counts and probabilities, and the ARPA format of language models. It refuses to know words.
"""

from collections import Counter, defaultdict
from math import log10

# Taken from each count of words that follow each other, for those that were not seen to.
_DISCOUNT = 0.5


def arpa(sentences: list[list[str]], fillers: list[str], share: float) -> str:
    """Make a trigram model with absolute discounting, in the ARPA format.

    Args:
        sentences: To learn from.
        fillers: Words that nobody is expected to say: speech that fits none of the sentences had
            better be heard as these, than as the sentence that it is least unlike.
        share: How likely these are together, as a share of all words, 0 to 1.
    """
    counts: list[Counter[tuple[str, ...]]] = [Counter(), Counter(), Counter()]
    for sentence in sentences:
        words = ["<s>", *sentence, "</s>"]
        for n, counter in enumerate(counts, start=1):
            counter.update(zip(*(words[i:] for i in range(n)), strict=False))
    del counts[0]["<s>",]
    total = counts[0].total()
    grams = {word: (1 - share) * count / total for word, count in counts[0].items()}
    unknown = [(word,) for word in fillers if (word,) not in grams]
    grams.update({word: share / len(unknown) for word in unknown})
    orders, backoffs = [{("<s>",): 1e-99, **grams}], []
    for counter in counts[1:]:
        higher, backoff = _higher(counter, orders[-1])
        orders.append(higher)
        backoffs.append(backoff)
    lines = ["\\data\\", *(f"ngram {n}={len(order)}" for n, order in enumerate(orders, start=1))]
    for n, order in enumerate(orders, start=1):
        lines.append(f"\n\\{n}-grams:")
        for gram, share_of in sorted(order.items()):
            line = f"{log10(share_of):.4f} {' '.join(gram)}"
            if n < len(orders):
                line += f" {log10(max(backoffs[n - 1].get(gram, 1.0), 1e-9)):.4f}"
            lines.append(line)
    return "\n".join([*lines, "\n\\end\\", ""])


def _higher(
    counter: Counter[tuple[str, ...]], lower: dict[tuple[str, ...], float]
) -> tuple[dict[tuple[str, ...], float], dict[tuple[str, ...], float]]:
    """The next order's probabilities, and what the histories leave to this one."""
    following: dict[tuple[str, ...], list[tuple[tuple[str, ...], int]]] = defaultdict(list)
    for gram, count in counter.items():
        following[gram[:-1]].append((gram, count))
    higher, backoff = {}, {}
    for history, grams in following.items():
        total = sum(count for _, count in grams)
        for gram, count in grams:
            higher[gram] = (count - _DISCOUNT) / total
        seen = sum(lower[gram[1:]] for gram, _ in grams)
        backoff[history] = _DISCOUNT * len(grams) / total / max(1e-9, 1 - seen)
    return higher, backoff
