// Paged keys and values of all layers, in the layouts that attention reads without shuffling.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "memory.h"

namespace quantlab {

// Bounds the arrays on the stack of rope.cc and attention.cc; models use 64 to 256.
constexpr std::size_t kMaxHeadDim = 512;

// What an element of the cache is; E4M3 codes stand for code * scale of their layer.
enum class KvDtype { bf16, e4m3 };

// Keys and values of a block lie in groups of 16 keys, and a group in lines of 16 x 2 BF16, 64 bytes.
// Keys: line i holds elements 2i and 2i + 1 of the 16 keys, what one BF16 dot product instruction
// takes, so that 16 scores are summed side by side. Values: line 8 c + p holds columns 16 c to 16 c + 15
// of keys 2p and 2p + 1; columns from headDim to the next multiple of 16 are zeros.
// As codes, two neighbouring lines are one line of 64 bytes, in the order of e4m3Byte().
struct KvCache {
  static constexpr std::size_t kGroupKeys = 16;
  static constexpr std::size_t kLineBytes = 64;
  static constexpr std::size_t kLinePairs = kGroupKeys / 2;  // value lines of 16 columns
  // Blocks that lie together, layer by layer. Long enough that a layer's keys are read in long pieces, and short
  // enough that a few sequences touch little memory, though it comes in huge pages.
  static constexpr std::size_t kSlabBlocks = 32;

  std::uint64_t id;  // unique in the process, never 0
  std::size_t layers;
  std::size_t blocks;
  std::size_t blockSize;
  std::size_t kvHeads;
  std::size_t headDim;
  KvDtype dtype;
  std::vector<float> keyScales;    // [layers], 1 in a BF16 cache
  std::vector<float> valueScales;  // [layers]
  Block keys;    // [slabs][layers][kSlabBlocks][kvHeads] chunks of keyChunk() bytes; the last slab may be shorter
  Block values;  // the same of valueChunk() bytes

  std::size_t groupsPerBlock() const { return (blockSize + kGroupKeys - 1) / kGroupKeys; }
  std::size_t valueColumns() const { return (headDim + 15) / 16 * 16; }
  std::size_t keyLines() const { return headDim / 2; }
  std::size_t valueLines() const { return valueColumns() / 2; }

  // Bytes of so many BF16 lines as they are stored.
  std::size_t storedBytes(std::size_t lines) const {
    return kLineBytes * (dtype == KvDtype::bf16 ? lines : (lines + 1) / 2);
  }
  std::size_t keyGroup() const { return storedBytes(keyLines()); }
  std::size_t valueGroup() const { return storedBytes(valueLines()); }
  std::size_t keyChunk() const { return groupsPerBlock() * keyGroup(); }
  std::size_t valueChunk() const { return groupsPerBlock() * valueGroup(); }

  // Chunks before those of one layer of a block.
  std::size_t chunkOf(std::size_t layer, std::size_t block) const {
    const std::size_t first = block / kSlabBlocks * kSlabBlocks;
    const std::size_t width = std::min(kSlabBlocks, blocks - first);
    return (first * layers + layer * width + block - first) * kvHeads;
  }
  // The group of one block that holds the key at `offset` within it.
  std::uint8_t* keysOf(std::size_t layer, std::size_t block, std::size_t head,
                       std::size_t offset) const {
    return keys.as<std::uint8_t>() + (chunkOf(layer, block) + head) * keyChunk() +
           offset / kGroupKeys * keyGroup();
  }
  std::uint8_t* valuesOf(std::size_t layer, std::size_t block, std::size_t head,
                         std::size_t offset) const {
    return values.as<std::uint8_t>() + (chunkOf(layer, block) + head) * valueChunk() +
           offset / kGroupKeys * valueGroup();
  }
};

}  // namespace quantlab
