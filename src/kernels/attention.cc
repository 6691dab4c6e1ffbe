// Splits attention into items over the threads, and runs the online softmax of one item.
#include "attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "attention-tile.h"
#include "dispatch.h"
#include "exponential.h"
#include "pool.h"

namespace quantlab {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Keys of one split, in groups: each split is summed from nothing and then merged, in order, so that
// the bits are the same whether one thread or several work on a long context.
constexpr std::size_t kSplitGroups = 32;

// Weights of one row of a tile from its scores: exp(scale * score - maximum) where the row may look,
// 0 elsewhere; updates the row's running maximum and sum. Returns the factor for what was summed.
QUANTLAB_BODY float softenRowBody(float* scores, const int* visible, float scale, float* maximum,
                                  float* sum) {
  float lanes[16];
  for (std::size_t lane = 0; lane < 16; lane++) lanes[lane] = *maximum;
  for (std::size_t j = 0; j < kTileGroups; j++) {
    for (int lane = 0; lane < 16; lane++) {
      const float score = lane < visible[j] ? scores[16 * j + lane] * scale : kMinusInfinity;
      scores[16 * j + lane] = score;
      lanes[lane] = score > lanes[lane] ? score : lanes[lane];
    }
  }
  for (std::size_t width = 8; width > 0; width /= 2)
    for (std::size_t lane = 0; lane < width; lane++)
      lanes[lane] = lanes[lane + width] > lanes[lane] ? lanes[lane + width] : lanes[lane];
  const float top = lanes[0];
  // A row that sees nothing yet: weights 0, not exp(-inf + inf).
  const float shift = top == kMinusInfinity ? 0.0f : top;
  const float factor = exponential(*maximum - shift);
  float total[16] = {};
  for (std::size_t j = 0; j < kTileGroups; j++) {
    for (std::size_t lane = 0; lane < 16; lane++) {
      const float weight = exponential(scores[16 * j + lane] - shift);
      scores[16 * j + lane] = weight;
      total[lane] += weight;
    }
  }
  for (std::size_t width = 8; width > 0; width /= 2)
    for (std::size_t lane = 0; lane < width; lane++) total[lane] += total[lane + width];
  *maximum = top;
  *sum = *sum * factor + total[0];
  return factor;
}

QUANTLAB_VARIANTS(float, softenRow,
                  (float* scores, const int* visible, float scale, float* maximum, float* sum),
                  (scores, visible, scale, maximum, sum));

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

struct Problem {
  const bf16* qkv;
  const Batch& batch;
  const KvCache& cache;
  std::size_t layer;
  std::size_t heads;
  bf16* out;

  std::size_t grouped() const { return heads / cache.kvHeads; }
  std::size_t qkvColumns() const { return (heads + 2 * cache.kvHeads) * cache.headDim; }
};

// Up to kTileRows query vectors of one sequence that share a KV head: vector v is query head
// v % grouped of token v / grouped.
struct Item {
  const BatchSequence* sequence;
  std::size_t kvHead;
  std::size_t firstVector;
  std::size_t vectors;
};

// Running softmax of an item's rows. `sums` is [vectors, valueColumns].
struct State {
  float maxima[kTileRows];
  float totals[kTileRows];
  float* sums;

  void clear(std::size_t vectors, std::size_t columns) {
    std::fill_n(maxima, vectors, kMinusInfinity);
    std::fill_n(totals, vectors, 0.0f);
    std::fill_n(sums, vectors * columns, 0.0f);
  }
};

std::size_t tokenOf(const Problem& problem, const Item& item, std::size_t row) {
  return (item.firstVector + row) / problem.grouped();
}

// Keys that row may look at: its own position and all before.
std::size_t visibleKeys(const Problem& problem, const Item& item, std::size_t row) {
  const BatchSequence& sequence = *item.sequence;
  return static_cast<std::size_t>(sequence.contextLength - sequence.rows) +
         tokenOf(problem, item, row) + 1;
}

// Groups of 16 keys (fewer at a block's end) that cover the first `keys` keys.
std::size_t groupsFor(const KvCache& cache, std::size_t keys) {
  const std::size_t rest = keys % cache.blockSize;
  return keys / cache.blockSize * cache.groupsPerBlock() +
         (rest + KvCache::kGroupKeys - 1) / KvCache::kGroupKeys;
}

KeyTile tileAt(const Problem& problem, const Item& item, std::size_t firstGroup,
               std::size_t endGroup, std::size_t keys) {
  const KvCache& cache = problem.cache;
  const std::size_t perBlock = cache.groupsPerBlock();
  const std::int32_t* table = problem.batch.blockTables.data() + item.sequence->firstBlock;
  KeyTile tile;
  for (std::size_t group = firstGroup; group < endGroup && tile.groups < kTileGroups; group++) {
    const std::size_t index = group / perBlock;
    const std::size_t offset = group % perBlock * KvCache::kGroupKeys;
    const std::size_t start = index * cache.blockSize + offset;
    const auto block = static_cast<std::size_t>(table[index]);
    const std::size_t j = tile.groups++;
    tile.keys[j] = cache.keysOf(problem.layer, block, item.kvHead) + offset * cache.headDim;
    tile.values[j] =
        cache.valuesOf(problem.layer, block, item.kvHead) + offset * cache.valueColumns();
    tile.counts[j] =
        std::min({KvCache::kGroupKeys, cache.blockSize - offset, keys - start});
    tile.starts[j] = start;
  }
  return tile;
}

// Adds the groups [firstGroup, endGroup) of the context to the state.
void runGroups(const Problem& problem, const Item& item, std::size_t firstGroup,
               std::size_t endGroup, State& state) {
  const TileLoops& loops = tileLoops();
  const KvCache& cache = problem.cache;
  const std::size_t keys = visibleKeys(problem, item, item.vectors - 1);
  const float scale = 1.0f / std::sqrt(static_cast<float>(cache.headDim));
  const bf16* queries[kTileRows];
  for (std::size_t row = 0; row < item.vectors; row++) {
    const std::size_t token =
        static_cast<std::size_t>(item.sequence->firstRow) + tokenOf(problem, item, row);
    const std::size_t head =
        item.kvHead * problem.grouped() + (item.firstVector + row) % problem.grouped();
    queries[row] = problem.qkv + token * problem.qkvColumns() + head * cache.headDim;
  }
  alignas(64) float scores[kTileRows * kTileKeys];
  float factors[kTileRows];
  for (std::size_t group = firstGroup; group < endGroup; group += kTileGroups) {
    const KeyTile tile = tileAt(problem, item, group, endGroup, keys);
    loops.score(queries, item.vectors, cache.headDim, tile, scores);
    for (std::size_t row = 0; row < item.vectors; row++) {
      const std::size_t limit = visibleKeys(problem, item, row);
      int visible[kTileGroups] = {};
      for (std::size_t j = 0; j < tile.groups; j++)
        visible[j] = limit <= tile.starts[j]
                         ? 0
                         : static_cast<int>(std::min(tile.counts[j], limit - tile.starts[j]));
      factors[row] = softenRow(scores + row * kTileKeys, visible, scale, &state.maxima[row],
                               &state.totals[row]);
    }
    loops.accumulate(scores, factors, item.vectors, cache.valueColumns(), tile, state.sums);
  }
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
    const std::size_t head =
        item.kvHead * problem.grouped() + (item.firstVector + row) % problem.grouped();
    finishRow(state.sums + row * cache.valueColumns(), 1.0f / state.totals[row], cache.headDim,
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
