// FP8 codes of a whole matrix with one scale a tile: a row, a block, or everything.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

#include "../formats/fp8/e4m3.h"
#include "dispatch.h"
#include "largest.h"
#include "pool.h"
#include "quantize.h"

namespace quantlab {
namespace {

constexpr float kLargest = 448.0f;

QUANTLAB_BODY void encodeBody(const bf16* x, std::size_t count, float reciprocal, std::uint8_t* codes) {
  for (std::size_t i = 0; i < count; i++) codes[i] = encodeE4m3(bf16ToFloat(x[i]) * reciprocal);
}
QUANTLAB_VARIANTS(void, encode,
                  (const bf16* x, std::size_t count, float reciprocal, std::uint8_t* codes),
                  (x, count, reciprocal, codes));

}  // namespace

bool quantizeE4m3(const bf16* weight, std::size_t rows, std::size_t columns, std::size_t tileRows,
                  std::size_t tileColumns, float floor, std::uint8_t* codes, float* scale) {
  const std::size_t tiles = (columns + tileColumns - 1) / tileColumns;
  const std::size_t bands = (rows + tileRows - 1) / tileRows;
  // Rows are the unit of work whatever the tile, so that one scale for everything uses all threads.
  std::vector<std::uint16_t> largest(rows * tiles);
  std::atomic<bool> finite{true};
  const std::size_t grain = std::max<std::size_t>(1, 65536 / columns);
  parallelFor(rows, grain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; row++) {
      for (std::size_t tile = 0; tile < tiles; tile++) {
        const std::size_t first = tile * tileColumns;
        const std::uint16_t bits = largestBits(weight + row * columns + first,
                                               std::min(tileColumns, columns - first));
        if (bits >= 0x7f80) finite = false;
        largest[row * tiles + tile] = bits;
      }
    }
  });
  if (!finite) return false;
  for (std::size_t band = 0; band < bands; band++) {
    const std::size_t last = std::min(rows, (band + 1) * tileRows);
    for (std::size_t tile = 0; tile < tiles; tile++) {
      std::uint16_t bits = 0;
      for (std::size_t row = band * tileRows; row < last; row++)
        bits = std::max(bits, largest[row * tiles + tile]);
      const float tileScale = std::max(bf16ToFloat(bits), floor) / kLargest;
      // A tile of zeros, or one so small that its reciprocal overflows: scale 1, codes 0.
      const float stored = std::isfinite(1.0f / tileScale) ? tileScale : 1.0f;
      for (std::size_t row = band * tileRows; row < last; row++) scale[row * tiles + tile] = stored;
      if (stored != tileScale)
        for (std::size_t row = band * tileRows; row < last; row++) largest[row * tiles + tile] = 0xffff;
    }
  }
  parallelFor(rows, grain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; row++) {
      for (std::size_t tile = 0; tile < tiles; tile++) {
        const std::size_t first = row * columns + tile * tileColumns;
        const std::size_t count = std::min(tileColumns, columns - tile * tileColumns);
        if (largest[row * tiles + tile] == 0xffff) std::fill_n(codes + first, count, 0);
        else encode(weight + first, count, 1.0f / scale[row * tiles + tile], codes + first);
      }
    }
  });
  return true;
}

}  // namespace quantlab
