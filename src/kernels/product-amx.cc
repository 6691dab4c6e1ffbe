// The inner loops of the matmul on AMX: 16 rows of x and 16 pairs of a panel's lines are a tile each.
#include "product.h"

#if defined(__x86_64__)
#include <algorithm>
#include <cstring>

#include "amx.h"
#include "dispatch.h"
#include "intrinsics.h"

namespace quantlab {
namespace {

using amx::kTileRows;

constexpr std::size_t kStepPairs = 16;                            // pairs that one tile holds
constexpr std::size_t kStepElements = 2 * kStepPairs;             // of a row of x
constexpr std::size_t kLineBytes = kLineElements * sizeof(bf16);  // 64
constexpr std::size_t kSumsStride = kQuadRows * sizeof(float);

// Operands that do not fill their tiles, copied with zeros around them.
struct Padding {
  alignas(64) bf16 rows[kTileRows * kAmxBlockPairs * 2];            // the last rows of x, all columns
  alignas(64) bf16 columns[2 * kTileRows * kStepElements];          // the last columns of two tiles
  alignas(64) bf16 lines[kQuadPanels * kStepPairs * kLineElements]; // the last lines of each panel
  alignas(64) float sums[4 * kTileRows * kPanelRows];
};

Padding& padding() {
  thread_local Padding memory;
  return memory;
}

// Sixteen rows of x: whole steps in place, the rest padded.
struct RowTile {
  const bf16* x;
  std::size_t strideBytes;
  const bf16* tail;
};

struct PanelTile {
  const bf16* lines;
  const bf16* tail;
};

struct Steps {
  std::size_t whole;
  bool hasTail;
};

// One step of RowTiles x Panels sums (tiles 0 to 3): x in tiles 4 and 5, lines in 6 and 7.
template <std::size_t RowTiles, std::size_t Panels>
inline void step(const bf16* const (&x)[RowTiles], const std::size_t (&strides)[RowTiles],
                 const bf16* const (&lines)[Panels]) {
  amx::loadTile<4>(x[0], strides[0]);
  if constexpr (RowTiles == 2) amx::loadTile<5>(x[1], strides[1]);
  amx::loadTile<6>(lines[0], kLineBytes);
  amx::multiplyTiles<0, 4, 6>();
  if constexpr (RowTiles == 2) amx::multiplyTiles<Panels, 5, 6>();
  if constexpr (Panels >= 2) {
    amx::loadTile<7>(lines[1], kLineBytes);
    amx::multiplyTiles<1, 4, 7>();
    if constexpr (RowTiles == 2) amx::multiplyTiles<3, 5, 7>();
  }
  if constexpr (Panels == 4) {
    amx::loadTile<6>(lines[2], kLineBytes);
    amx::multiplyTiles<2, 4, 6>();
    amx::loadTile<7>(lines[3], kLineBytes);
    amx::multiplyTiles<3, 4, 7>();
  }
}

// Calls action.template at<tile>(row tile, panel) for each tile of sums.
template <std::size_t RowTiles, std::size_t Panels, typename Action>
inline void overSums(const Action& action) {
  static_assert(RowTiles * Panels <= 4);
  action.template at<0>(0, 0);
  if constexpr (RowTiles * Panels > 1) action.template at<1>(1 / Panels, 1 % Panels);
  if constexpr (RowTiles * Panels > 2) action.template at<2>(2 / Panels, 2 % Panels);
  if constexpr (RowTiles * Panels > 3) action.template at<3>(3 / Panels, 3 % Panels);
}

struct ZeroSums {
  template <int Tile>
  void at(std::size_t, std::size_t) const {
    amx::zeroTile<Tile>();
  }
};

struct LoadSums {
  const float* sums;
  template <int Tile>
  void at(std::size_t rowTile, std::size_t panel) const {
    amx::loadTile<Tile>(sums + rowTile * kTileRows * kQuadRows + panel * kPanelRows, kSumsStride);
  }
};

struct StoreSums {
  float* sums;
  template <int Tile>
  void at(std::size_t rowTile, std::size_t panel) const {
    amx::storeTile<Tile>(sums + rowTile * kTileRows * kQuadRows + panel * kPanelRows, kSumsStride);
  }
};

struct StoreApart {
  float* sums;
  template <int Tile>
  void at(std::size_t, std::size_t) const {
    amx::storeTile<Tile>(sums + Tile * kTileRows * kPanelRows, kLineBytes);
  }
};

// sums += scales * tile, for the rows that exist.
QUANTLAB_AVX512 void addScaled(const float* tile, const float* scales, std::size_t rows,
                               float* sums) {
  const __m512 scale = _mm512_loadu_ps(scales);
  for (std::size_t row = 0; row < rows; row++)
    _mm512_storeu_ps(sums + row * kQuadRows,
                     _mm512_fmadd_ps(scale, _mm512_load_ps(tile + row * kPanelRows),
                                     _mm512_loadu_ps(sums + row * kQuadRows)));
}

template <std::size_t RowTiles, std::size_t Panels>
void tile(const RowTile* rowTiles, const PanelTile* panels, const Steps& steps, std::size_t rows,
          const float* scales, float* sums) {
  const bf16* x[RowTiles];
  std::size_t strides[RowTiles];
  const bf16* lines[Panels];
  for (std::size_t r = 0; r < RowTiles; r++) x[r] = rowTiles[r].x, strides[r] = rowTiles[r].strideBytes;
  for (std::size_t j = 0; j < Panels; j++) lines[j] = panels[j].lines;
  if (scales != nullptr)
    overSums<RowTiles, Panels>(ZeroSums{});
  else
    overSums<RowTiles, Panels>(LoadSums{sums});
  for (std::size_t i = 0; i < steps.whole; i++) {
    step<RowTiles, Panels>(x, strides, lines);
    for (auto& row : x) row += kStepElements;
    for (auto& line : lines) line += kStepPairs * kLineElements;
  }
  if (steps.hasTail) {
    for (std::size_t r = 0; r < RowTiles; r++)
      x[r] = rowTiles[r].tail, strides[r] = kStepElements * sizeof(bf16);
    for (std::size_t j = 0; j < Panels; j++) lines[j] = panels[j].tail;
    step<RowTiles, Panels>(x, strides, lines);
  }
  if (scales == nullptr) return overSums<RowTiles, Panels>(StoreSums{sums});
  float* apart = padding().sums;
  overSums<RowTiles, Panels>(StoreApart{apart});
  for (std::size_t r = 0; r < RowTiles; r++)
    for (std::size_t j = 0; j < Panels; j++)
      addScaled(apart + (r * Panels + j) * kTileRows * kPanelRows, scales + j * kPanelRows,
                std::min(kTileRows, rows - r * kTileRows),
                sums + r * kTileRows * kQuadRows + j * kPanelRows);
}

// The tiles of rows [first, first + 32), or of fewer at the end. Returns how many.
std::size_t rowTilesAt(const ProductBlock& block, std::size_t first, const Steps& steps,
                       RowTile* tiles) {
  Padding& memory = padding();
  std::size_t count = 0;
  for (; count < 2 && first + count * kTileRows < block.rows; count++) {
    const std::size_t begin = first + count * kTileRows;
    const std::size_t rows = std::min(kTileRows, block.rows - begin);
    const bf16* source = block.x + begin * block.stride;
    RowTile& tile = tiles[count];
    tile = {source, block.stride * sizeof(bf16), memory.columns + count * kTileRows * kStepElements};
    if (rows < kTileRows) {
      // Rows beyond the last one are whatever an earlier product left: their sums are never read.
      for (std::size_t row = 0; row < rows; row++)
        std::memcpy(memory.rows + row * 2 * kAmxBlockPairs, source + row * block.stride,
                    steps.whole * kStepElements * sizeof(bf16));
      tile.x = memory.rows;
      tile.strideBytes = 2 * kAmxBlockPairs * sizeof(bf16);
    }
    if (!steps.hasTail) continue;
    const std::size_t done = steps.whole * kStepElements;
    bf16* tail = memory.columns + count * kTileRows * kStepElements;
    std::memset(tail, 0, kTileRows * kStepElements * sizeof(bf16));
    for (std::size_t row = 0; row < rows; row++)
      std::memcpy(tail + row * kStepElements, source + row * block.stride + done,
                  (2 * block.pairs - done) * sizeof(bf16));
  }
  return count;
}

void panelTiles(const ProductBlock& block, const Steps& steps, PanelTile* tiles) {
  Padding& memory = padding();
  for (std::size_t j = 0; j < block.panels; j++) {
    const bf16* lines = block.lines + j * block.panelStride;
    bf16* tail = memory.lines + j * kStepPairs * kLineElements;
    tiles[j] = {lines, tail};
    if (!steps.hasTail) continue;
    const std::size_t done = steps.whole * kStepPairs;
    std::memset(tail, 0, kStepPairs * kLineBytes);
    std::memcpy(tail, lines + done * kLineElements, (block.pairs - done) * kLineBytes);
  }
}

void run(const ProductBlock& block, const float* scales, float* sums) {
  const Steps steps{block.pairs / kStepPairs, block.pairs % kStepPairs != 0};
  PanelTile panels[kQuadPanels];
  panelTiles(block, steps, panels);
  RowTile rowTiles[2];
  const auto scalesAt = [&](std::size_t j) {
    return scales == nullptr ? nullptr : scales + j * kPanelRows;
  };
  // Up to 16 rows need x once for all four panels; more rows share two panels' lines, which stay in L1.
  if (block.rows <= kTileRows && block.panels == kQuadPanels) {
    rowTilesAt(block, 0, steps, rowTiles);
    return tile<1, 4>(rowTiles, panels, steps, block.rows, scales, sums);
  }
  for (std::size_t j = 0; j < block.panels; j += 2) {
    const bool both = j + 1 < block.panels;
    for (std::size_t row = 0; row < block.rows; row += 2 * kTileRows) {
      const std::size_t count = rowTilesAt(block, row, steps, rowTiles);
      const std::size_t rows = block.rows - row;
      float* target = sums + row * kQuadRows + j * kPanelRows;
      if (count == 2 && both)
        tile<2, 2>(rowTiles, panels + j, steps, rows, scalesAt(j), target);
      else if (count == 2)
        tile<2, 1>(rowTiles, panels + j, steps, rows, scalesAt(j), target);
      else if (both)
        tile<1, 2>(rowTiles, panels + j, steps, rows, scalesAt(j), target);
      else
        tile<1, 1>(rowTiles, panels + j, steps, rows, scalesAt(j), target);
    }
  }
}

void accumulate(const ProductBlock& block, float* sums) { run(block, nullptr, sums); }

void accumulateScaled(const ProductBlock& block, const float* scales, float* sums) {
  run(block, scales, sums);
}

}  // namespace

const ProductLoops amxProductLoops{accumulate,          accumulateScaled,   kAmxBlockPairs, 0,
                                   amx::configureTiles, amx::releaseTiles};

}  // namespace quantlab
#endif
