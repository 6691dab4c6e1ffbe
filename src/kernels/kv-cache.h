// Paged keys and values of all layers, in the layouts that attention reads without shuffling.
#pragma once
#include <cstddef>
#include <cstdint>

#include "border.h"

namespace quantlab {

// Bounds the arrays on the stack of rope.cc and attention.cc; models use 64 to 256.
constexpr std::size_t kMaxHeadDim = 512;

// Keys of a block: groups of 16 keys, in each group [headDim / 2][16 keys][2]: one 64-byte line holds
// two neighbouring elements of 16 keys, what one BF16 dot product instruction takes, so that 16 scores
// are summed side by side. Values of a block: [blockSize][headDim padded to 16], zeros in the padding.
struct KvCache {
  static constexpr std::size_t kGroupKeys = 16;

  std::uint64_t id;  // unique in the process, never 0
  std::size_t layers;
  std::size_t blocks;
  std::size_t blockSize;
  std::size_t kvHeads;
  std::size_t headDim;
  Block keys;    // [layers][blocks][kvHeads] chunks of keyChunk()
  Block values;  // [layers][blocks][kvHeads] chunks of valueChunk()

  std::size_t groupsPerBlock() const { return (blockSize + kGroupKeys - 1) / kGroupKeys; }
  std::size_t groupElements() const { return kGroupKeys * headDim; }
  std::size_t keyChunk() const { return groupsPerBlock() * groupElements(); }
  std::size_t valueColumns() const { return (headDim + 15) / 16 * 16; }
  std::size_t valueChunk() const { return blockSize * valueColumns(); }

  bf16* keysOf(std::size_t layer, std::size_t block, std::size_t head) const {
    return keys.as<bf16>() + ((layer * blocks + block) * kvHeads + head) * keyChunk();
  }
  bf16* valuesOf(std::size_t layer, std::size_t block, std::size_t head) const {
    return values.as<bf16>() + ((layer * blocks + block) * kvHeads + head) * valueChunk();
  }
};

template <>
struct HandleTag<KvCache> {
  static constexpr napi_type_tag value = {0x7175616e746c6162ull, 3};
  static constexpr const char* name = "KV cache";
};

}  // namespace quantlab
