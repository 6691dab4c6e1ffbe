// The matmul over any format: outputs over threads, tiles over rows, the format's lines in the middle.
#include "matmul.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "dispatch.h"
#include "matmul-part.h"
#include "plain.h"
#include "pool.h"
#include "product.h"

namespace quantlab {
namespace {

static_assert(kBlockRows % kTileRows == 0);

// Each thread's own working memory.
struct Scratch {
  alignas(64) bf16 lines[kQuadPanels * kBlockPairs * kLineElements];
  alignas(64) float sums[kBlockRows * kQuadRows];
  alignas(64) float groupSums[kBlockRows * kQuadRows];
  alignas(64) float scales[kQuadRows];
};

Scratch& scratch() {
  thread_local Scratch memory;
  return memory;
}

// One linear call.
struct Product {
  const Weight& weight;
  const FormatLoops& format;
  const ProductLoops& loops;
  const bf16* x;
  std::size_t stride;  // of x's rows, or of its tiles of rows
  std::size_t m;
  const float* xScales;    // a row of x, or a row and group; null when x is multiplied as it is
  const float* rowScales;  // a row of the weight; null without
  LinearOutput out;

  bool isTiled() const { return loops.layout == RowLayout::tiles; }
  bool isFew(std::size_t rows) const { return rows <= loops.fewRows && format.few != nullptr; }
  // Elements of x from one block of pairs to the next.
  std::size_t advance(std::size_t pairs) const { return (isTiled() ? 2 * kTileRows : 2) * pairs; }
};

// sums[row][i] += groupSums[row][i] * xScales[row * stride] * scales[i]
QUANTLAB_BODY void addScaledBody(const float* groupSums, std::size_t rows, std::size_t count,
                                 const float* xScales, std::size_t stride, const float* scales,
                                 float* sums) {
  for (std::size_t row = 0; row < rows; row++)
    for (std::size_t i = 0; i < count; i++)
      sums[row * kQuadRows + i] += groupSums[row * kQuadRows + i] * xScales[row * stride] * scales[i];
}
QUANTLAB_VARIANTS(void, addScaled,
                  (const float* groupSums, std::size_t rows, std::size_t count, const float* xScales,
                   std::size_t stride, const float* scales, float* sums),
                  (groupSums, rows, count, xScales, stride, scales, sums));

// Tiles add to whole multiples of their rows; what lies beyond the last row is garbage.
void clearSums(const Part& part, float* sums) {
  const std::size_t padded = (part.rows + kTileRows - 1) / kTileRows * kTileRows;
  std::memset(sums, 0, padded * kQuadRows * sizeof(float));
}

// Where the codes of a pair begin, for the block before it to fetch.
NextCodes codesFrom(const Weight& weight, std::size_t panel, std::size_t pair) {
  // Not from the size of the block, which the plain kernel shares among weights.
  const std::size_t panelBytes = weight.format->panelBytes(weight).codes;
  const std::size_t pairBytes = panelBytes / weight.pairs;
  return {weight.codes.as<std::uint8_t>() + panel * panelBytes + pair * pairBytes, panelBytes,
          kLineElements * sizeof(bf16) / pairBytes};
}

// The block after `pair`, or the first of the panels that this thread probably takes next.
NextCodes codesAfter(const Product& product, const Part& part, std::size_t pair) {
  const Weight& weight = product.weight;
  if (pair < weight.pairs) return codesFrom(weight, part.panel, pair);
  const std::size_t panel = part.panel + kQuadPanels * static_cast<std::size_t>(threads());
  return panel + kQuadPanels <= weight.panels() ? codesFrom(weight, panel, 0) : NextCodes{};
}

void decodeLines(const Product& product, const Part& part, std::size_t firstPair,
                 ProductBlock& block, Scratch& memory) {
  block.panelStride = block.pairs * kLineElements;
  for (std::size_t j = 0; j < part.panels; j++) {
    const bf16* lines = product.format.lines(product.weight, part.panel + j, firstPair, block.pairs,
                                             memory.lines + j * block.panelStride);
    if (j == 0) block.lines = lines;
    // In place the panels lie a whole panel apart.
    if (j == 1) block.panelStride = static_cast<std::size_t>(lines - block.lines);
  }
}

// Both x and the weight have a scale for each group: the sums of a group leave the registers.
void sumGroups(const Product& product, const Part& part, ProductBlock& block, Scratch& memory) {
  const Weight& weight = product.weight;
  const std::size_t groups = weight.groups();
  const std::size_t pairs = weight.groupSize / 2;
  for (std::size_t group = 0; group < groups; group++) {
    const std::size_t begin = group * pairs;
    block.pairs = std::min(pairs, weight.pairs - begin);
    if (product.isFew(part.rows)) {
      product.format.few({weight, part.panel, part.panels, begin, block.pairs, block.x,
                          block.stride, part.rows},
                         memory.groupSums);
    } else {
      decodeLines(product, part, begin, block, memory);
      block.next = codesAfter(product, part, begin + block.pairs);
      clearSums(part, memory.groupSums);
      product.loops.accumulate(block, memory.groupSums);
    }
    for (std::size_t j = 0; j < part.panels; j++)
      product.format.groupScales(weight, part.panel + j, group, memory.scales + j * kPanelRows);
    addScaled(memory.groupSums, part.rows, part.panels * kPanelRows,
              product.xScales + part.first * groups + group, groups, memory.scales, memory.sums);
    block.x += product.advance(block.pairs);
  }
}

// Blocks of one size, as a short one does not last for fetching a long one after it; in whole tiles.
std::size_t blockPairs(std::size_t total) {
  constexpr std::size_t kTilePairs = kTileColumns / 2;
  static_assert(kBlockPairs % kTilePairs == 0);
  const std::size_t blocks = (total + kBlockPairs - 1) / kBlockPairs;
  return (total + blocks * kTilePairs - 1) / (blocks * kTilePairs) * kTilePairs;
}

void sumLines(const Product& product, const Part& part, ProductBlock& block, Scratch& memory) {
  const std::size_t total = product.weight.pairs;
  const std::size_t size = blockPairs(total);
  for (std::size_t begin = 0; begin < total; begin += block.pairs) {
    block.pairs = std::min(size, total - begin);
    decodeLines(product, part, begin, block, memory);
    block.next = codesAfter(product, part, begin + block.pairs);
    product.loops.accumulate(block, memory.sums);
    block.x += product.advance(block.pairs);
  }
}

void multiply(const Product& product, const Part& part) {
  Scratch& memory = scratch();
  const std::size_t first = product.isTiled() ? part.first / kTileRows : part.first;
  const bf16* x = product.x + first * product.stride;
  if (product.isFew(part.rows) && product.weight.groupSize == 0) {
    product.format.few({product.weight, part.panel, part.panels, 0, product.weight.pairs, x,
                        product.stride, part.rows},
                       memory.sums);
  } else if (part.rows <= kTileRows && part.panels == kQuadPanels &&
             product.weight.groupSize == 0 && product.loops.stream != nullptr) {
    product.loops.stream(product.weight, product.format, part.panel, x, memory.sums);
  } else {
    clearSums(part, memory.sums);
    ProductBlock block{x, product.stride, part.rows, nullptr, 0, part.panels, 0, {}};
    if (product.weight.groupSize != 0)
      sumGroups(product, part, block, memory);
    else
      sumLines(product, part, block, memory);
  }
  finishPart(product.weight, part, product.xScales, product.rowScales, product.out, memory.sums);
}

// x as the loops read it: padded to whole pairs, quantized where the format says so, in their layout.
struct PreparedRows {
  Block values;
  Block scales;
};

// Grows to what the calling thread has needed so far: an engine's largest step.
PreparedRows& preparedRows(std::size_t valueBytes, std::size_t scaleBytes) {
  thread_local PreparedRows rows;
  if (rows.values.bytes() < valueBytes) rows.values = Block(valueBytes, MemoryKind::buffer);
  if (rows.scales.bytes() < scaleBytes) rows.scales = Block(scaleBytes, MemoryKind::buffer);
  return rows;
}

// One row in columns of tiles; `tiles` is the first tile of its 16 rows.
void storeTileRow(const bf16* row, std::size_t columns, bf16* tiles, std::size_t rowOfTile) {
  bf16* target = tiles + rowOfTile * kTileColumns;
  for (std::size_t k = 0; k < columns; k += kTileColumns, target += kTileRows * kTileColumns) {
    const std::size_t count = std::min(kTileColumns, columns - k);
    std::memcpy(target, row + k, count * sizeof(bf16));
    std::memset(target + count, 0, (kTileColumns - count) * sizeof(bf16));
  }
}

void prepare(Product& product) {
  const Weight& weight = product.weight;
  const auto quantize = weight.format->quantizeActivations;
  const std::size_t columns = weight.columns;
  const bool isTiled = product.isTiled();
  if (quantize == nullptr && !isTiled && columns == 2 * weight.pairs) return;
  const std::size_t width = isTiled ? (columns + kTileColumns - 1) / kTileColumns * kTileColumns
                                    : 2 * weight.pairs;
  const std::size_t stride = isTiled ? kTileRows * width + kStrideGap : width;
  const std::size_t strides = isTiled ? (product.m + kTileRows - 1) / kTileRows : product.m;
  const std::size_t rowScales = std::max<std::size_t>(1, weight.groups());
  PreparedRows& rows = preparedRows(strides * stride * sizeof(bf16), product.m * rowScales * sizeof(float));
  bf16* values = rows.values.as<bf16>();
  float* scales = rows.scales.as<float>();
  const bf16* x = product.x;
  parallelFor(product.m, std::max<std::size_t>(1, 8192 / width), [&](std::size_t begin,
                                                                     std::size_t end) {
    thread_local std::vector<bf16> rounded;
    if (quantize != nullptr) rounded.resize(columns);
    for (std::size_t row = begin; row < end; row++) {
      const bf16* source = x + row * columns;
      if (quantize != nullptr) {
        quantize(weight, source, rounded.data(), scales + row * rowScales);
        source = rounded.data();
      }
      if (isTiled) {
        storeTileRow(source, columns, values + row / kTileRows * stride, row % kTileRows);
        continue;
      }
      bf16* target = values + row * width;
      std::memcpy(target, source, columns * sizeof(bf16));
      std::memset(target + columns, 0, (width - columns) * sizeof(bf16));
    }
  });
  product.x = values;
  product.stride = stride;
  if (quantize != nullptr) product.xScales = scales;
}

template <typename Call>
std::string overPanels(const Weight& weight, const Call& call) {
  std::atomic<const char*> problem{nullptr};
  parallelFor(weight.panels(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t panel = begin; panel < end; panel++)
      if (const char* found = call(panel)) problem.store(found, std::memory_order_relaxed);
  });
  const char* found = problem.load();
  return found == nullptr ? "" : found;
}

}  // namespace

const ProductLoops& productLoops([[maybe_unused]] std::size_t m) {
#if defined(__x86_64__)
  // One row leaves the tiles empty, and vectors stream the weights faster.
  if (activeIsa() == Isa::amx && m > 1) return amxProductLoops;
#endif
  static const ProductLoops& loops = QUANTLAB_LOOPS(ProductLoops);
  return loops;
}

std::string packPanels(const Weight& weight, const void* const* tensors) {
  return overPanels(weight,
                    [&](std::size_t panel) { return weight.format->pack(weight, panel, tensors); });
}

std::string quantizePanels(const Weight& weight, const bf16* source) {
  return overPanels(
      weight, [&](std::size_t panel) { return weight.format->quantize(weight, panel, source); });
}

void linear(const Weight& weight, const bf16* x, std::size_t m, const LinearOutput& out) {
  if (m == 0) return;
  if (weight.isPlain) return linear(dequantized(weight), x, m, out);
  const Format& format = *weight.format;
  if (format.codes != Codes::floats) return integerLinear(weight, x, m, out);
  Product product{weight,         format.loops(), productLoops(m),
                  x,              weight.columns, m,
                  nullptr,        format.rowScales == nullptr ? nullptr : format.rowScales(weight),
                  out};
  prepare(product);
  parallelFor(partsOf(weight, m), 1, [&](std::size_t begin, std::size_t end) {
    if (product.loops.enter != nullptr) product.loops.enter();
    for (std::size_t index = begin; index < end; index++)
      multiply(product, partAt(weight, m, index));
    if (product.loops.leave != nullptr) product.loops.leave();
  });
}

void embed(const Weight& weight, const std::int32_t* tokenIds, std::size_t tokens, bf16* out) {
  const FormatLoops& loops = weight.format->loops();
  parallelFor(tokens, 4, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; t++) {
      const auto row = static_cast<std::size_t>(tokenIds[t]);
      const bf16* lines = loops.lines(weight, row / kPanelRows, 0, weight.pairs, nullptr);
      const bf16* source = lines + row % kPanelRows * 2;
      bf16* target = out + t * weight.columns;
      for (std::size_t k = 0; k < weight.columns; k++)
        target[k] = source[k / 2 * kLineElements + k % 2];
    }
  });
}

}  // namespace quantlab
