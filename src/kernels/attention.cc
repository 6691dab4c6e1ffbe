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
void merge(State& state, const State& part, std::size_t rows, std::size_t columns) {
  for (std::size_t row = 0; row < rows; row++) {
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
  for (std::size_t kvHead = 0; kvHead < item.kvHeads; kvHead++) {
    for (std::size_t vector = 0; vector < item.vectors; vector++) {
      const std::size_t row = kvHead * item.stride + vector;
      const std::size_t token =
          static_cast<std::size_t>(item.sequence->firstRow) + tokenOf(problem, item, vector);
      finishRow(state.sums + row * cache.valueColumns(),
                cache.valueScales[problem.layer] / state.totals[row], cache.headDim,
                problem.out + (token * problem.heads + headOf(problem, item, kvHead, vector)) *
                                  cache.headDim);
    }
  }
}

std::size_t groupsOf(const Problem& problem, const Item& item) {
  return groupsFor(problem.cache, visibleKeys(problem, item, item.vectors - 1));
}

std::size_t splitsOf(const Problem& problem, const Item& item) {
  return (groupsOf(problem, item) + kSplitGroups - 1) / kSplitGroups;
}

// The split of an item that begins with a group.
Span splitAt(const Problem& problem, const Item& item, std::size_t firstGroup) {
  return {&item, firstGroup, std::min(groupsOf(problem, item), firstGroup + kSplitGroups)};
}

// One item from the first key to the last, in the calling thread, which goes on with `next` if there is one.
void runItem(const Problem& problem, const Item& item, const Item* next) {
  alignas(64) float sums[kTileRows * kMaxHeadDim];
  alignas(64) float partSums[kTileRows * kMaxHeadDim];
  const std::size_t columns = problem.cache.valueColumns();
  const std::size_t groups = groupsOf(problem, item);
  State state;
  state.sums = sums;
  State part;
  part.sums = partSums;
  Span span = splitAt(problem, item, 0);
  for (std::size_t first = 0; first < groups; first += kSplitGroups) {
    Span then{};
    if (span.endGroup < groups)
      then = splitAt(problem, item, span.endGroup);
    else if (next != nullptr)
      then = splitAt(problem, *next, 0);
    State& target = first == 0 ? state : part;
    target.clear(item.rows(), columns);
    runGroups(problem, span, then.item == nullptr ? nullptr : &then, target);
    if (first > 0) merge(state, part, item.rows(), columns);
    span = then;
  }
  writeOut(problem, item, state);
}

bool isFewRows(const Problem& problem, const BatchSequence& sequence) {
  return static_cast<std::size_t>(sequence.rows) * problem.grouped() <= kFewRows;
}

// KV heads that the few rows of a sequence take in one item: all of them, unless threads would be idle.
std::size_t headsTogether(const Problem& problem) {
  std::size_t splits = 0;
  for (const BatchSequence& sequence : problem.batch.sequences)
    if (isFewRows(problem, sequence))
      splits += groupsFor(problem.cache, static_cast<std::size_t>(sequence.contextLength)) /
                    kSplitGroups + 1;
  if (splits == 0) return 1;
  const std::size_t wanted = threads() == 1 ? 1 : 2 * static_cast<std::size_t>(threads());
  const std::size_t parts = (wanted + splits - 1) / splits;
  return (problem.cache.kvHeads + parts - 1) / parts;
}

std::vector<Item> itemsOf(const Problem& problem) {
  std::vector<Item> items;
  const std::size_t kvHeads = problem.cache.kvHeads;
  const std::size_t together = headsTogether(problem);
  for (const BatchSequence& sequence : problem.batch.sequences) {
    const std::size_t vectors = static_cast<std::size_t>(sequence.rows) * problem.grouped();
    const std::size_t multiple = loopsFor(problem, sequence).rowMultiple;
    for (std::size_t first = 0; first < vectors; first += kTileRows) {
      const std::size_t count = std::min(kTileRows, vectors - first);
      const std::size_t stride = (count + multiple - 1) / multiple * multiple;
      const std::size_t most =
          isFewRows(problem, sequence) ? std::min(together, kTileRows / stride) : 1;
      for (std::size_t head = 0; head < kvHeads; head += most)
        items.push_back({&sequence, first, count, head, std::min(most, kvHeads - head), stride});
    }
  }
  // The longest first, so that no thread ends with a long item alone.
  const auto costOf = [&](const Item& item) {
    return visibleKeys(problem, item, item.vectors - 1) * item.vectors * item.kvHeads;
  };
  const auto isLonger = [&](const Item& a, const Item& b) { return costOf(a) > costOf(b); };
  if (!std::is_sorted(items.begin(), items.end(), isLonger))
    std::stable_sort(items.begin(), items.end(), isLonger);
  return items;
}

// One split of an item, and what was summed over it.
struct Part {
  Span span;
  State state;
};

// Items too few for the threads: their splits run in parallel and are merged afterwards.
void runSplit(const Problem& problem, const std::vector<Item>& items) {
  thread_local std::vector<Part> parts;
  thread_local Block sums;  // grows to what the largest step needed
  parts.clear();
  for (const Item& item : items)
    for (std::size_t first = 0; first < groupsOf(problem, item); first += kSplitGroups)
      parts.push_back({splitAt(problem, item, first), {}});
  const std::size_t columns = problem.cache.valueColumns();
  // Loops write whole tiles of rows.
  const std::size_t stride = kTileRows * columns;
  const std::size_t bytes = parts.size() * stride * sizeof(float);
  if (sums.bytes() < bytes) sums = Block(bytes, MemoryKind::buffer);
  // Threads have their own of what is thread_local: they get the caller's by these.
  Part* const all = parts.data();
  float* const allSums = sums.as<float>();
  const std::size_t count = parts.size();
  // Two chunks a thread: within a chunk the next part's keys are fetched ahead.
  const std::size_t grain = std::max<std::size_t>(1, count / (2 * static_cast<std::size_t>(threads())));
  parallelFor(count, grain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t p = begin; p < end; p++) {
      State& state = all[p].state;
      state.sums = allSums + p * stride;
      state.clear(all[p].span.item->rows(), columns);
      runGroups(problem, all[p].span, p + 1 < end ? &all[p + 1].span : nullptr, state);
    }
  });
  std::size_t head = 0;
  for (std::size_t p = 0; p < count; p++) {
    const Item& item = *all[p].span.item;
    if (all[p].span.firstGroup == 0)
      head = p;
    else
      merge(all[head].state, all[p].state, item.rows(), columns);
    if (p + 1 == count || all[p + 1].span.firstGroup == 0) writeOut(problem, item, all[head].state);
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
  const Item& longest = items.front();
  const std::size_t cost = visibleKeys(problem, longest, longest.vectors - 1) * longest.vectors *
                           longest.kvHeads * cache.headDim;
  const std::size_t grain = std::max<std::size_t>(1, 65536 / std::max<std::size_t>(1, cost));
  parallelFor(items.size(), grain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; i++)
      runItem(problem, items[i], i + 1 < end ? &items[i + 1] : nullptr);
  });
}

}  // namespace quantlab
