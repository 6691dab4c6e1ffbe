// One item of attention: query rows of a sequence, and their running softmax over keys.
#pragma once
#include <algorithm>
#include <cstddef>
#include <limits>

#include "attention-tile.h"
#include "batch.h"
#include "kv-cache.h"

namespace quantlab {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

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

// Query vectors of one sequence, for one KV head or, where they are few, for several: their keys lie side
// by side, and memory is read best in long pieces. Vector v of a KV head is its query head v % grouped of
// token v / grouped; it stands in row h * stride + v of the item, at most kTileRows rows in all.
struct Item {
  const BatchSequence* sequence;
  std::size_t firstVector;
  std::size_t vectors;
  std::size_t firstHead;  // of the KV heads
  std::size_t kvHeads;
  std::size_t stride;

  std::size_t rows() const { return kvHeads * stride; }
};

// Running softmax of an item's rows. `sums` is [rows, valueColumns].
struct State {
  float maxima[kTileRows];
  float totals[kTileRows];
  float* sums;

  void clear(std::size_t rows, std::size_t columns) {
    std::fill_n(maxima, rows, kMinusInfinity);
    std::fill_n(totals, rows, 0.0f);
    std::fill_n(sums, rows * columns, 0.0f);
  }
};

inline std::size_t tokenOf(const Problem& problem, const Item& item, std::size_t vector) {
  return (item.firstVector + vector) / problem.grouped();
}

inline std::size_t headOf(const Problem& problem, const Item& item, std::size_t kvHead,
                          std::size_t vector) {
  return (item.firstHead + kvHead) * problem.grouped() +
         (item.firstVector + vector) % problem.grouped();
}

// Keys that a vector may look at: its own position and all before.
inline std::size_t visibleKeys(const Problem& problem, const Item& item, std::size_t vector) {
  const BatchSequence& sequence = *item.sequence;
  return static_cast<std::size_t>(sequence.contextLength - sequence.rows) +
         tokenOf(problem, item, vector) + 1;
}

// The loops that a sequence's rows take.
const TileLoops& loopsFor(const Problem& problem, const BatchSequence& sequence);

// Groups of 16 keys of one item.
struct Span {
  const Item* item;
  std::size_t firstGroup;
  std::size_t endGroup;
};

// Adds the groups of the item's context to the state. The beginning of `then`, unless it is null, is
// fetched meanwhile: what the calling thread runs next.
void runGroups(const Problem& problem, const Span& span, const Span* then, State& state);

}  // namespace quantlab
