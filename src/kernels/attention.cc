// Splits attention into items over the threads, and merges what was summed apart.
#include "attention.h"

#include <algorithm>
#include <vector>

#include "attention-item.h"
#include "dispatch.h"
#include "exponential.h"
#include "pool.h"

namespace quantlab {
namespace {

// Keys of one split, in groups: each split is summed from nothing and then merged, in order, so that
// the bits are the same whether one thread or several work on a long context.
constexpr std::size_t kSplitGroups = 32;

// a = a * factorA + b * factorB.
QUANTLAB_BODY void blendBody(float* a, const float* b, float factorA, float factorB,
                             std::size_t count) {
  for (std::size_t i = 0; i < count; i++) a[i] = a[i] * factorA + b[i] * factorB;
}
QUANTLAB_VARIANTS(void, blend,
                  (float* a, const float* b, float factorA, float factorB, std::size_t count),
                  (a, b, factorA, factorB, count));

QUANTLAB_BODY void finishRowBody(const float* sums, float inverse, std::size_t columns, bf16* out) {
  for (std::size_t d = 0; d < columns; d++) out[d] = floatToBf16(sums[d] * inverse);
}
QUANTLAB_VARIANTS(void, finishRow,
                  (const float* sums, float inverse, std::size_t columns, bf16* out),
                  (sums, inverse, columns, out));

// Groups of 16 keys (fewer at a block's end) that cover the first `keys` keys.
std::size_t groupsFor(const KvCache& cache, std::size_t keys) {
  const std::size_t rest = keys % cache.blockSize;
  return keys / cache.blockSize * cache.groupsPerBlock() +
         (rest + KvCache::kGroupKeys - 1) / KvCache::kGroupKeys;
}

// Merges the partial softmax of a later split into `state`.
void merge(State& state, const State& part, std::size_t vectors, std::size_t columns) {
  for (std::size_t row = 0; row < vectors; row++) {
    const float top = std::max(state.maxima[row], part.maxima[row]);
    if (part.maxima[row] == kMinusInfinity) continue;
    const float keep = exponential(state.maxima[row] - top);
    const float add = exponential(part.maxima[row] - top);
    blend(state.sums + row * columns, part.sums + row * columns, keep, add, columns);
    state.totals[row] = state.totals[row] * keep + part.totals[row] * add;
    state.maxima[row] = top;
  }
}

void writeOut(const Problem& problem, const Item& item, const State& state) {
  const KvCache& cache = problem.cache;
  for (std::size_t row = 0; row < item.vectors; row++) {
    const std::size_t token =
        static_cast<std::size_t>(item.sequence->firstRow) + tokenOf(problem, item, row);
    const std::size_t head = headOf(problem, item, row);
    finishRow(state.sums + row * cache.valueColumns(),
              cache.valueScales[problem.layer] / state.totals[row], cache.headDim,
              problem.out + (token * problem.heads + head) * cache.headDim);
  }
}

std::size_t groupsOf(const Problem& problem, const Item& item) {
  return groupsFor(problem.cache, visibleKeys(problem, item, item.vectors - 1));
}

std::size_t splitsOf(const Problem& problem, const Item& item) {
  return (groupsOf(problem, item) + kSplitGroups - 1) / kSplitGroups;
}

// One item from the first key to the last, in the calling thread.
void runItem(const Problem& problem, const Item& item) {
  alignas(64) float sums[kTileRows * kMaxHeadDim];
  alignas(64) float partSums[kTileRows * kMaxHeadDim];
  const std::size_t columns = problem.cache.valueColumns();
  const std::size_t groups = groupsOf(problem, item);
  State state;
  state.sums = sums;
  state.clear(item.vectors, columns);
  runGroups(problem, item, 0, std::min(groups, kSplitGroups), state);
  State part;
  part.sums = partSums;
  for (std::size_t first = kSplitGroups; first < groups; first += kSplitGroups) {
    part.clear(item.vectors, columns);
    runGroups(problem, item, first, std::min(groups, first + kSplitGroups), part);
    merge(state, part, item.vectors, columns);
  }
  writeOut(problem, item, state);
}

std::vector<Item> itemsOf(const Problem& problem) {
  std::vector<Item> items;
  for (const BatchSequence& sequence : problem.batch.sequences) {
    const std::size_t vectors = static_cast<std::size_t>(sequence.rows) * problem.grouped();
    for (std::size_t first = 0; first < vectors; first += kTileRows)
      for (std::size_t kvHead = 0; kvHead < problem.cache.kvHeads; kvHead++)
        items.push_back({&sequence, kvHead, first, std::min(kTileRows, vectors - first)});
  }
  // The longest first, so that no thread ends with a long item alone.
  std::stable_sort(items.begin(), items.end(), [&](const Item& a, const Item& b) {
    return visibleKeys(problem, a, a.vectors - 1) * a.vectors >
           visibleKeys(problem, b, b.vectors - 1) * b.vectors;
  });
  return items;
}

// Items too few for the threads: their splits run in parallel and are merged afterwards.
void runSplit(const Problem& problem, const std::vector<Item>& items) {
  struct Part {
    std::size_t item;
    std::size_t split;
  };
  std::vector<Part> parts;
  for (std::size_t i = 0; i < items.size(); i++)
    for (std::size_t split = 0; split < splitsOf(problem, items[i]); split++)
      parts.push_back({i, split});
  const std::size_t columns = problem.cache.valueColumns();
  const std::size_t stride = kTileRows * columns;
  std::vector<State> states(parts.size());
  Block sums(parts.size() * stride * sizeof(float), MemoryKind::buffer);
  parallelFor(parts.size(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t p = begin; p < end; p++) {
      const Item& item = items[parts[p].item];
      const std::size_t first = parts[p].split * kSplitGroups;
      states[p].sums = sums.as<float>() + p * stride;
      states[p].clear(item.vectors, columns);
      runGroups(problem, item, first, std::min(groupsOf(problem, item), first + kSplitGroups),
                states[p]);
    }
  });
  for (std::size_t p = 0; p < parts.size(); p++) {
    const std::size_t head = p - parts[p].split;
    const Item& item = items[parts[p].item];
    if (parts[p].split > 0) merge(states[head], states[p], item.vectors, columns);
    if (parts[p].split + 1 == splitsOf(problem, item)) writeOut(problem, item, states[head]);
  }
}

}  // namespace

void attention(const bf16* qkv, const Batch& batch, const KvCache& cache, std::size_t layer,
               std::size_t heads, bf16* out) {
  const Problem problem{qkv, batch, cache, layer, heads, out};
  const std::vector<Item> items = itemsOf(problem);
  if (items.empty()) return;
  // Fewer than this many items a thread, and a long context would leave threads idle at the end.
  constexpr std::size_t kItemsPerThread = 4;
  if (threads() > 1 && items.size() < kItemsPerThread * static_cast<std::size_t>(threads()) &&
      splitsOf(problem, items.front()) > 1)
    return runSplit(problem, items);
  // About 5 microseconds of work a chunk: a hand-off costs one or two.
  const std::size_t cost = visibleKeys(problem, items.front(), items.front().vectors - 1) *
                           items.front().vectors * cache.headDim;
  const std::size_t grain = std::max<std::size_t>(1, 65536 / std::max<std::size_t>(1, cost));
  parallelFor(items.size(), grain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; i++) runItem(problem, items[i]);
  });
}

}  // namespace quantlab
