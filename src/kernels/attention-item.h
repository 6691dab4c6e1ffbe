// One item of attention: query rows that share a KV head, and their running softmax over keys.
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

inline std::size_t tokenOf(const Problem& problem, const Item& item, std::size_t row) {
  return (item.firstVector + row) / problem.grouped();
}

inline std::size_t headOf(const Problem& problem, const Item& item, std::size_t row) {
  return item.kvHead * problem.grouped() + (item.firstVector + row) % problem.grouped();
}

// Keys that row may look at: its own position and all before.
inline std::size_t visibleKeys(const Problem& problem, const Item& item, std::size_t row) {
  const BatchSequence& sequence = *item.sequence;
  return static_cast<std::size_t>(sequence.contextLength - sequence.rows) +
         tokenOf(problem, item, row) + 1;
}

// Adds the groups [firstGroup, endGroup) of the item's context to the state.
void runGroups(const Problem& problem, const Item& item, std::size_t firstGroup,
               std::size_t endGroup, State& state);

}  // namespace quantlab
