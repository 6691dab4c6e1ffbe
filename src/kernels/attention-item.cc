// Walks the keys of one item tile by tile: scores, softmax, weighted sums of values.
#include "attention-item.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "dispatch.h"
#include "exponential.h"

namespace quantlab {
namespace {

// Folds 16 lanes in halves, the same way under every instruction set.
template <typename Fold>
QUANTLAB_BODY float foldLanes(float* lanes, const Fold& fold) {
  for (std::size_t lane = 0; lane < 8; lane++) lanes[lane] = fold(lanes[lane], lanes[lane + 8]);
  for (std::size_t lane = 0; lane < 4; lane++) lanes[lane] = fold(lanes[lane], lanes[lane + 4]);
  for (std::size_t lane = 0; lane < 2; lane++) lanes[lane] = fold(lanes[lane], lanes[lane + 2]);
  return fold(lanes[0], lanes[1]);
}

// Weights of one row of a tile from its scores: exp(scale * score - maximum); updates the row's running
// maximum and sum. Returns the factor for what was summed.
QUANTLAB_BODY float softenBody(float* scores, float scale, float* maximum, float* sum) {
  const auto larger = [](float a, float b) { return b > a ? b : a; };
  float lanes[16];
  for (std::size_t lane = 0; lane < 16; lane++) lanes[lane] = *maximum;
  for (std::size_t j = 0; j < kTileGroups; j++) {
    for (std::size_t lane = 0; lane < 16; lane++) {
      scores[16 * j + lane] *= scale;
      lanes[lane] = larger(lanes[lane], scores[16 * j + lane]);
    }
  }
  const float top = foldLanes(lanes, larger);
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
  *maximum = top;
  *sum = *sum * factor + foldLanes(total, [](float a, float b) { return a + b; });
  return factor;
}

QUANTLAB_VARIANTS(float, soften, (float* scores, float scale, float* maximum, float* sum),
                  (scores, scale, maximum, sum));

// The first groups of a span, at its item's first KV head.
template <typename Element>
TileOf<Element> firstTile(const Problem& problem, const Span& span) {
  const KvCache& cache = problem.cache;
  const Item& item = *span.item;
  const std::size_t keys = visibleKeys(problem, item, item.vectors - 1);
  const std::size_t perBlock = cache.groupsPerBlock();
  const std::int32_t* table = problem.batch.blockTables.data() + item.sequence->firstBlock;
  TileOf<Element> tile;
  for (std::size_t group = span.firstGroup; group < span.endGroup && tile.groups < kTileGroups;
       group++) {
    const std::size_t index = group / perBlock;
    const std::size_t offset = group % perBlock * KvCache::kGroupKeys;
    const std::size_t start = index * cache.blockSize + offset;
    const auto block = static_cast<std::size_t>(table[index]);
    const std::size_t j = tile.groups++;
    tile.keys[j] = reinterpret_cast<const Element*>(
        cache.keysOf(problem.layer, block, item.firstHead, offset));
    tile.values[j] = reinterpret_cast<const Element*>(
        cache.valuesOf(problem.layer, block, item.firstHead, offset));
    tile.counts[j] =
        std::min({KvCache::kGroupKeys, cache.blockSize - offset, keys - start});
    tile.starts[j] = start;
  }
  return tile;
}

// The same keys of the next KV head.
template <typename Element>
void toNextHead(const KvCache& cache, TileOf<Element>* tile) {
  for (std::size_t j = 0; j < tile->groups; j++) {
    tile->keys[j] += cache.keyChunk() / sizeof(Element);
    tile->values[j] += cache.valueChunk() / sizeof(Element);
  }
}

// Whether a row that sees the first `limit` keys sees all of a full tile.
template <typename Element>
bool allVisible(const TileOf<Element>& tile, std::size_t limit) {
  std::size_t keys = 0;
  for (std::size_t j = 0; j < tile.groups; j++) keys += tile.counts[j];
  return keys == kTileKeys && tile.starts[kTileGroups - 1] + KvCache::kGroupKeys <= limit;
}

// Scores of keys that do not exist, or that lie behind the row's own, become -infinity.
template <typename Element>
void hideBehind(const TileOf<Element>& tile, std::size_t limit, float* scores) {
  for (std::size_t j = 0; j < kTileGroups; j++) {
    const bool seen = j < tile.groups && limit > tile.starts[j];
    const std::size_t visible = seen ? std::min(tile.counts[j], limit - tile.starts[j]) : 0;
    for (std::size_t lane = visible; lane < 16; lane++) scores[16 * j + lane] = kMinusInfinity;
  }
}

// The groups at `stored` as lines in `scratch`; sets `lines` to where each begins.
void widenGroups(const TileLoops& loops, std::size_t groups, const std::uint8_t* const* stored,
                 std::size_t codeLines, std::vector<bf16>& scratch, const bf16** lines) {
  const std::size_t elements = 2 * codeLines * kLineElements;
  scratch.resize(std::max(scratch.size(), kTileGroups * elements));
  for (std::size_t j = 0; j < groups; j++) {
    bf16* target = scratch.data() + j * elements;
    loops.widen(stored[j], codeLines, target);
    lines[j] = target;
  }
}

// The two products of a tile of lines, or of codes, which few rows read as they are.
template <typename Element>
class TileReader;

template <>
class TileReader<bf16> {
 public:
  TileReader(const TileLoops& loops, const KvCache&, const QueryRows& queries)
      : loops_(loops), queries_(queries) {}
  void score(const KeyTile& tile, float* scores) { loops_.lines.score(queries_, tile, scores); }
  void accumulate(const float* weights, const float* factors, std::size_t columns,
                  const KeyTile& tile, float* sums) {
    loops_.lines.accumulate(weights, factors, queries_.rows, columns, tile, sums);
  }

 private:
  const TileLoops& loops_;
  const QueryRows& queries_;
};

template <>
class TileReader<std::uint8_t> {
 public:
  TileReader(const TileLoops& loops, const KvCache& cache, const QueryRows& queries)
      : loops_(loops),
        cache_(cache),
        queries_(queries),
        direct_(queries.rows <= kFewRows && loops.codes.score != nullptr) {}

  void score(const CodeTile& tile, float* scores) {
    if (direct_) return loops_.codes.score(queries_, tile, scores);
    thread_local std::vector<bf16> scratch;
    KeyTile lines = shape(tile);
    widenGroups(loops_, tile.groups, tile.keys, (cache_.keyLines() + 1) / 2, scratch, lines.keys);
    loops_.lines.score(queries_, lines, scores);
  }

  void accumulate(const float* weights, const float* factors, std::size_t columns,
                  const CodeTile& tile, float* sums) {
    if (direct_)
      return loops_.codes.accumulate(weights, factors, queries_.rows, columns, tile, sums);
    thread_local std::vector<bf16> scratch;
    KeyTile lines = shape(tile);
    widenGroups(loops_, tile.groups, tile.values, cache_.valueLines() / 2, scratch, lines.values);
    loops_.lines.accumulate(weights, factors, queries_.rows, columns, lines, sums);
  }

 private:
  static KeyTile shape(const CodeTile& tile) {
    KeyTile lines;
    lines.groups = tile.groups;
    std::copy_n(tile.counts, tile.groups, lines.counts);
    std::copy_n(tile.starts, tile.groups, lines.starts);
    return lines;
  }

  const TileLoops& loops_;
  const KvCache& cache_;
  const QueryRows& queries_;
  const bool direct_;
};

// Query rows as the loops read them: zeros around what exists.
QueryRows packQueries(const Problem& problem, const Item& item, bf16* packed) {
  const std::size_t headDim = problem.cache.headDim;
  const std::size_t stride = (headDim + kQueryMultiple - 1) / kQueryMultiple * kQueryMultiple;
  for (std::size_t kvHead = 0; kvHead < item.kvHeads; kvHead++) {
    bf16* rows = packed + kvHead * item.stride * stride;
    for (std::size_t vector = 0; vector < item.vectors; vector++) {
      const std::size_t token =
          static_cast<std::size_t>(item.sequence->firstRow) + tokenOf(problem, item, vector);
      const bf16* query = problem.qkv + token * problem.qkvColumns() +
                          headOf(problem, item, kvHead, vector) * headDim;
      std::copy_n(query, headDim, rows + vector * stride);
      std::fill(rows + vector * stride + headDim, rows + (vector + 1) * stride, bf16{0});
    }
    std::fill(rows + item.vectors * stride, rows + item.stride * stride, bf16{0});
  }
  const std::size_t allRows = (item.rows() + kQueryRows - 1) / kQueryRows * kQueryRows;
  std::fill(packed + item.rows() * stride, packed + allRows * stride, bf16{0});
  return {packed, stride, item.vectors, headDim};
}

// What one KV head's keys of a tile add to the item's rows from `firstRow`.
template <typename Element>
void runTile(const Problem& problem, const Item& item, const TileLoops& loops,
             const QueryRows& queries, const TileOf<Element>& tile, std::size_t firstRow,
             State& state) {
  const KvCache& cache = problem.cache;
  const float scale =
      cache.keyScales[problem.layer] / std::sqrt(static_cast<float>(cache.headDim));
  alignas(64) float scores[kTileRows * kTileKeys];
  float factors[kTileRows];
  TileReader<Element> reader(loops, cache, queries);
  reader.score(tile, scores);
  const bool whole = allVisible(tile, visibleKeys(problem, item, 0));
  for (std::size_t row = 0; row < queries.rows; row++) {
    float* rowScores = scores + row * kTileKeys;
    if (!whole) hideBehind(tile, visibleKeys(problem, item, row), rowScores);
    float* maximum = &state.maxima[firstRow + row];
    float* total = &state.totals[firstRow + row];
    factors[row] = loops.soften != nullptr ? loops.soften(rowScores, scale, maximum, total)
                                           : soften(rowScores, scale, maximum, total);
  }
  const std::size_t columns = cache.valueColumns();
  reader.accumulate(scores, factors, columns, tile, state.sums + firstRow * columns);
}

template <typename Element>
void runTiles(const Problem& problem, const Span& span, const Span* then, State& state) {
  const Item& item = *span.item;
  const TileLoops& loops = loopsFor(problem, *item.sequence);
  alignas(64) bf16 packed[2 * kTileRows * kMaxHeadDim];
  QueryRows queries = packQueries(problem, item, packed);
  if (loops.begin != nullptr) loops.begin();
  TileOf<Element> ahead = firstTile<Element>(problem, span);
  for (std::size_t group = span.firstGroup; group < span.endGroup; group += kTileGroups) {
    TileOf<Element> tile = ahead;
    const bool isLast = group + kTileGroups >= span.endGroup;
    if (!isLast)
      ahead = firstTile<Element>(problem, {&item, group + kTileGroups, span.endGroup});
    else if (then != nullptr)
      ahead = firstTile<Element>(problem, *then);
    TileOf<Element> fetched = ahead;
    tile.ahead = isLast && then == nullptr ? nullptr : &fetched;
    for (std::size_t kvHead = 0; kvHead < item.kvHeads; kvHead++) {
      queries.data = packed + kvHead * item.stride * queries.stride;
      runTile(problem, item, loops, queries, tile, kvHead * item.stride, state);
      toNextHead(problem.cache, &tile);
      toNextHead(problem.cache, &fetched);
    }
  }
  if (loops.end != nullptr) loops.end();
}

}  // namespace

const TileLoops& loopsFor(const Problem& problem, const BatchSequence& sequence) {
  return tileLoops(problem.cache.dtype,
                   static_cast<std::size_t>(sequence.rows) * problem.grouped());
}

void runGroups(const Problem& problem, const Span& span, const Span* then, State& state) {
  if (problem.cache.dtype == KvDtype::bf16) return runTiles<bf16>(problem, span, then, state);
  runTiles<std::uint8_t>(problem, span, then, state);
}

}  // namespace quantlab
