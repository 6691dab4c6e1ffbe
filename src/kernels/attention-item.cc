// Walks the keys of one item tile by tile: scores, softmax, weighted sums of values.
#include "attention-item.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "dispatch.h"
#include "exponential.h"

namespace quantlab {
namespace {

// The nearest BF16 number of a weight: a finite one of at least 0, or NaN.
QUANTLAB_BODY float roundedWeight(float weight) {
  std::uint32_t bits;
  std::memcpy(&bits, &weight, 4);
  bits = (bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u;
  std::memcpy(&weight, &bits, 4);
  return weight;
}

// Folds 16 lanes in halves, the same way under every instruction set.
template <typename Fold>
QUANTLAB_BODY float foldLanes(float* lanes, const Fold& fold) {
  for (std::size_t lane = 0; lane < 8; lane++) lanes[lane] = fold(lanes[lane], lanes[lane + 8]);
  for (std::size_t lane = 0; lane < 4; lane++) lanes[lane] = fold(lanes[lane], lanes[lane + 4]);
  for (std::size_t lane = 0; lane < 2; lane++) lanes[lane] = fold(lanes[lane], lanes[lane + 2]);
  return fold(lanes[0], lanes[1]);
}

// Weights of one row of a tile from its scores: exp(scale * score - maximum), as BF16 numbers if `Rounds`;
// updates the row's running maximum and sum. Returns the factor for what was summed.
template <bool Rounds>
QUANTLAB_BODY float softenScores(float* scores, float scale, float* maximum, float* sum) {
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
      const float exact = exponential(scores[16 * j + lane] - shift);
      const float weight = Rounds ? roundedWeight(exact) : exact;
      scores[16 * j + lane] = weight;
      total[lane] += weight;
    }
  }
  *maximum = top;
  *sum = *sum * factor + foldLanes(total, [](float a, float b) { return a + b; });
  return factor;
}

QUANTLAB_BODY float softenBody(float* scores, float scale, bool rounds, float* maximum, float* sum) {
  return rounds ? softenScores<true>(scores, scale, maximum, sum)
                : softenScores<false>(scores, scale, maximum, sum);
}
QUANTLAB_VARIANTS(float, soften,
                  (float* scores, float scale, bool rounds, float* maximum, float* sum),
                  (scores, scale, rounds, maximum, sum));

template <typename Element>
TileOf<Element> tileAt(const Problem& problem, const Item& item, std::size_t firstGroup,
                       std::size_t endGroup, std::size_t keys) {
  const KvCache& cache = problem.cache;
  const std::size_t perBlock = cache.groupsPerBlock();
  const std::int32_t* table = problem.batch.blockTables.data() + item.sequence->firstBlock;
  TileOf<Element> tile;
  for (std::size_t group = firstGroup; group < endGroup && tile.groups < kTileGroups; group++) {
    const std::size_t index = group / perBlock;
    const std::size_t offset = group % perBlock * KvCache::kGroupKeys;
    const std::size_t start = index * cache.blockSize + offset;
    const auto block = static_cast<std::size_t>(table[index]);
    const std::size_t j = tile.groups++;
    tile.keys[j] = reinterpret_cast<const Element*>(
        cache.keysOf(problem.layer, block, item.kvHead, offset));
    tile.values[j] = reinterpret_cast<const Element*>(
        cache.valuesOf(problem.layer, block, item.kvHead, offset));
    tile.counts[j] =
        std::min({KvCache::kGroupKeys, cache.blockSize - offset, keys - start});
    tile.starts[j] = start;
  }
  return tile;
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

const bf16* queryOf(const Problem& problem, const Item& item, std::size_t row) {
  const std::size_t token =
      static_cast<std::size_t>(item.sequence->firstRow) + tokenOf(problem, item, row);
  return problem.qkv + token * problem.qkvColumns() +
         headOf(problem, item, row) * problem.cache.headDim;
}

// Adds the groups [firstGroup, endGroup) of the context to the state.
template <typename Element>
void runTiles(const Problem& problem, const Item& item, std::size_t firstGroup,
              std::size_t endGroup, State& state) {
  const KvCache& cache = problem.cache;
  const TileLoops& loops = tileLoops();
  const std::size_t keys = visibleKeys(problem, item, item.vectors - 1);
  const float scale =
      cache.keyScales[problem.layer] / std::sqrt(static_cast<float>(cache.headDim));
  alignas(64) bf16 packed[kTileRows * kMaxHeadDim];
  const std::size_t stride =
      (cache.headDim + kQueryMultiple - 1) / kQueryMultiple * kQueryMultiple;
  const QueryRows queries{packed, stride, item.vectors, cache.headDim};
  for (std::size_t row = 0; row < item.vectors; row++) {
    std::copy_n(queryOf(problem, item, row), cache.headDim, packed + row * stride);
    std::fill(packed + row * stride + cache.headDim, packed + (row + 1) * stride, bf16{0});
  }
  const std::size_t allRows = (item.vectors + kQueryRows - 1) / kQueryRows * kQueryRows;
  std::fill(packed + item.vectors * stride, packed + allRows * stride, bf16{0});
  TileReader<Element> reader(loops, cache, queries);
  alignas(64) float scores[kTileRows * kTileKeys];
  float factors[kTileRows];
  if (loops.begin != nullptr) loops.begin();
  for (std::size_t group = firstGroup; group < endGroup; group += kTileGroups) {
    const TileOf<Element> tile = tileAt<Element>(problem, item, group, endGroup, keys);
    reader.score(tile, scores);
    const bool whole = allVisible(tile, visibleKeys(problem, item, 0));
    for (std::size_t row = 0; row < item.vectors; row++) {
      float* rowScores = scores + row * kTileKeys;
      if (!whole) hideBehind(tile, visibleKeys(problem, item, row), rowScores);
      float* maximum = &state.maxima[row];
      float* total = &state.totals[row];
      factors[row] = loops.soften != nullptr
                         ? loops.soften(rowScores, scale, maximum, total)
                         : soften(rowScores, scale, loops.roundsWeights, maximum, total);
    }
    reader.accumulate(scores, factors, cache.valueColumns(), tile, state.sums);
  }
  if (loops.end != nullptr) loops.end();
}

}  // namespace

void runGroups(const Problem& problem, const Item& item, std::size_t firstGroup,
               std::size_t endGroup, State& state) {
  if (problem.cache.dtype == KvDtype::bf16)
    return runTiles<bf16>(problem, item, firstGroup, endGroup, state);
  runTiles<std::uint8_t>(problem, item, firstGroup, endGroup, state);
}

}  // namespace quantlab
