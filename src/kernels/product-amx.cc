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

static_assert(kTileRows == amx::kTileRows);
constexpr std::size_t kStepPairs = kTileColumns / 2;  // pairs that one tile holds
constexpr std::size_t kAhead = 2;  // steps that x is prefetched before its use
constexpr std::size_t kXBytes = kTileColumns * sizeof(bf16);
constexpr std::size_t kLineBytes = kLineElements * sizeof(bf16);
constexpr std::size_t kSumsStride = kQuadRows * sizeof(float);

// What does not fill a tile, copied with zeros around it, and sums on their way to be scaled.
struct Padding {
  alignas(64) bf16 lines[kQuadPanels * kStepPairs * kLineElements];  // the last lines of each panel
  alignas(64) float sums[4 * kTileRows * kPanelRows];
};

Padding& padding() {
  thread_local Padding memory;
  return memory;
}

struct PanelTile {
  const bf16* lines;
  const bf16* tail;  // of the step that has fewer lines than a tile
};

struct Steps {
  std::size_t whole;
  bool hasTail;
};

// One step of RowTiles x Panels sums (tiles 0 to 3): x in tiles 4 and 5, lines in 6 and 7.
template <std::size_t RowTiles, std::size_t Panels>
inline void step(const bf16* x, std::size_t stride, const bf16* const (&lines)[Panels]) {
  // x comes from L2 while the lines stay in L1.
  for (std::size_t row = 0; row < kTileRows; row++)
    for (std::size_t r = 0; r < RowTiles; r++)
      __builtin_prefetch(x + kAhead * kTileRows * kTileColumns + r * stride + row * kTileColumns);
  amx::loadTile<4>(x, kXBytes);
  if constexpr (RowTiles == 2) amx::loadTile<5>(x + stride, kXBytes);
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
void tile(const bf16* x, std::size_t stride, const PanelTile* panels, const Steps& steps,
          std::size_t rows, const float* scales, float* sums) {
  const bf16* lines[Panels];
  for (std::size_t j = 0; j < Panels; j++) lines[j] = panels[j].lines;
  if (scales != nullptr)
    overSums<RowTiles, Panels>(ZeroSums{});
  else
    overSums<RowTiles, Panels>(LoadSums{sums});
  for (std::size_t i = 0; i < steps.whole; i++) {
    step<RowTiles, Panels>(x, stride, lines);
    x += kTileRows * kTileColumns;
    for (auto& line : lines) line += kStepPairs * kLineElements;
  }
  if (steps.hasTail) {
    for (std::size_t j = 0; j < Panels; j++) lines[j] = panels[j].tail;
    step<RowTiles, Panels>(x, stride, lines);
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
  // Up to 16 rows need x once for all four panels.
  if (block.rows <= kTileRows && block.panels == kQuadPanels)
    return tile<1, 4>(block.x, block.stride, panels, steps, block.rows, scales, sums);
  const auto at = [&](std::size_t row, std::size_t j) {
    const bf16* x = block.x + row / kTileRows * block.stride;
    const std::size_t rows = block.rows - row;
    const float* scale = scales == nullptr ? nullptr : scales + j * kPanelRows;
    float* target = sums + row * kQuadRows + j * kPanelRows;
    const bool both = j + 1 < block.panels;
    if (rows > kTileRows && both)
      tile<2, 2>(x, block.stride, panels + j, steps, rows, scale, target);
    else if (rows > kTileRows)
      tile<2, 1>(x, block.stride, panels + j, steps, rows, scale, target);
    else if (both)
      tile<1, 2>(x, block.stride, panels + j, steps, rows, scale, target);
    else
      tile<1, 1>(x, block.stride, panels + j, steps, rows, scale, target);
  };
  // A group's lines are few, so all four panels' stay in L1 while x passes once; of a longer block two
  // panels' stay, and x passes twice.
  if (scales != nullptr) {
    for (std::size_t row = 0; row < block.rows; row += 2 * kTileRows)
      for (std::size_t j = 0; j < block.panels; j += 2) at(row, j);
    return;
  }
  for (std::size_t j = 0; j < block.panels; j += 2)
    for (std::size_t row = 0; row < block.rows; row += 2 * kTileRows) at(row, j);
}

void accumulate(const ProductBlock& block, float* sums) { run(block, nullptr, sums); }

void accumulateScaled(const ProductBlock& block, const float* scales, float* sums) {
  run(block, scales, sums);
}

}  // namespace

const ProductLoops amxProductLoops{accumulate,           accumulateScaled, RowLayout::tiles,
                                   kAmxBlockPairs,       0,                amx::configureTiles,
                                   amx::releaseTiles};

}  // namespace quantlab
#endif
