"""Packs problems into training rows in the few-shot format of the evaluation."""

import itertools
import lzma
import pathlib
import queue
import threading

import numpy as np

END = 0
# "\n\n", the token between two problems of one document.
GAP_TEXT = "ĊĊ"
# A document ends after its last question: 0 to 8 worked examples come before it.
SHOTS = [0] * 4 + list(range(1, 9))
# Questions are half random words and numbers: they teach less than answers.
QUESTION_WEIGHT = 0.3


def load(path):
    """An array, or its .xz."""
    path = pathlib.Path(path)
    if path.exists():
        return np.load(path)
    with lzma.open(f"{path}.xz") as file:
        return np.load(file)


class Problems:
    """Token ids of all problems, end to end, and where each one starts."""

    def __init__(self, prefix):
        self.ids = load(f"{prefix}.ids.npy")
        self.lengths = load(f"{prefix}.lengths.npy").astype(np.int64)
        self.starts = np.concatenate(([0], np.cumsum(self.lengths.sum(1))))

    def __len__(self):
        return len(self.lengths)


def document_ends(random, count):
    """For each of `count` problems, whether its document ends after it."""
    sizes = random.choice(SHOTS, size=count) + 1
    ends = np.zeros(count, dtype=bool)
    last = np.cumsum(sizes) - 1
    ends[last[last < count]] = True
    return ends


def rows(problems, length, seed, gap):
    """Rows of `length + 1` ids and as many weights, without end. A row starts with a question; the
    problem that does not fit is cut, and the next row starts with the next problem."""
    random = np.random.default_rng(seed)
    ids = np.empty(length + 1, dtype=np.int64)
    weights = np.empty(length + 1, dtype=np.float32)
    filled = 0
    while True:
        order = random.permutation(len(problems))
        ends = document_ends(random, len(order))
        for index, end in zip(order, ends):
            question, answer = problems.lengths[index]
            start = problems.starts[index]
            piece = problems.ids[start : start + question + answer]
            room = length + 1 - filled
            taken = min(len(piece), room)
            ids[filled : filled + taken] = piece[:taken]
            weights[filled : filled + taken] = 1
            weights[filled : filled + min(question, room)] = QUESTION_WEIGHT
            filled += taken
            if filled <= length:
                ids[filled] = END if end else gap
                weights[filled] = 1
                filled += 1
            if filled > length:
                yield ids.copy(), weights.copy()
                filled = 0


def batches(problems, batch, length, seed, gap, skip=0):
    """(inputs, targets, weights) of `batch` rows each, made ahead by a thread; `skip` of them left out."""
    ready = queue.Queue(maxsize=8)

    def produce():
        source = rows(problems, length, seed, gap)
        for number in itertools.count():
            taken = [next(source) for _ in range(batch)]
            if number < skip:
                continue
            ids = np.stack([row for row, _ in taken])
            weights = np.stack([weight for _, weight in taken])
            ready.put((ids[:, :-1], ids[:, 1:], weights[:, 1:]))

    threading.Thread(target=produce, daemon=True).start()
    while True:
        yield ready.get()
