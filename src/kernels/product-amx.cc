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
constexpr std::size_t kXBytes = kTileColumns * sizeof(bf16);
constexpr std::size_t kLineBytes = kLineElements * sizeof(bf16);
constexpr std::size_t kSumsStride = kQuadRows * sizeof(float);

// The last lines of each panel where they do not fill a tile, with zeros after them.
struct Padding {
  alignas(64) bf16 lines[kQuadPanels * kStepPairs * kLineElements];
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

// What is read after the lines of a pass, fetched while the pass multiplies.
template <std::size_t Panels>
struct Ahead {
  const std::uint8_t* codes = nullptr;  // null: nothing
  std::size_t panelBytes = 0;
  std::size_t linesPerStep = 0;

  void step() {
    if (codes == nullptr) return;
    for (std::size_t i = 0; i < linesPerStep; i++, codes += kLineBytes)
      for (std::size_t j = 0; j < Panels; j++) __builtin_prefetch(codes + j * panelBytes);
  }
};

// Tiles 0 to 3 hold sums, 6 holds x, 7 a panel's lines. Two operands instead of four, and zeros in them
// between uses, because the fewer tiles are alive, the more of them the processor can rename: while the
// core's other hyperthread is awake it can rename few, and loads then wait for products.
template <int Panel>
inline void addLines(const bf16* lines) {
  amx::loadTile<7>(lines, kLineBytes);
  amx::multiplyTiles<Panel, 6, 7>();
  amx::zeroTile<7>();
}

template <std::size_t Panels>
inline void step(const bf16* x, const bf16* const (&lines)[Panels]) {
  amx::loadTile<6>(x, kXBytes);
  addLines<0>(lines[0]);
  if constexpr (Panels >= 2) addLines<1>(lines[1]);
  if constexpr (Panels == 4) {
    addLines<2>(lines[2]);
    addLines<3>(lines[3]);
  }
  amx::zeroTile<6>();
}

// Calls action.template at<tile>() for the tile of sums of each panel.
template <std::size_t Panels, typename Action>
inline void overSums(const Action& action) {
  action.template at<0>();
  if constexpr (Panels >= 2) action.template at<1>();
  if constexpr (Panels == 4) {
    action.template at<2>();
    action.template at<3>();
  }
}

struct ZeroSums {
  template <int Tile>
  void at() const {
    amx::zeroTile<Tile>();
  }
};

struct LoadSums {
  const float* sums;
  template <int Tile>
  void at() const {
    amx::loadTile<Tile>(sums + Tile * kPanelRows, kSumsStride);
  }
};

struct StoreSums {
  float* sums;
  template <int Tile>
  void at() const {
    amx::storeTile<Tile>(sums + Tile * kPanelRows, kSumsStride);
  }
};

// 16 rows of x against the lines of a block.
template <std::size_t Panels>
void tile(const bf16* x, const PanelTile* panels, const Steps& steps, Ahead<Panels>& ahead,
          float* sums) {
  const bf16* lines[Panels];
  for (std::size_t j = 0; j < Panels; j++) lines[j] = panels[j].lines;
  overSums<Panels>(LoadSums{sums});
  for (std::size_t i = 0; i < steps.whole; i++) {
    step<Panels>(x, lines);
    ahead.step();
    x += kTileRows * kTileColumns;
    for (auto& line : lines) line += kStepPairs * kLineElements;
  }
  if (steps.hasTail) {
    for (std::size_t j = 0; j < Panels; j++) lines[j] = panels[j].tail;
    step<Panels>(x, lines);
  }
  overSums<Panels>(StoreSums{sums});
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

// Two panels' lines at a time stay in L1 while all rows of x pass over them.
void accumulate(const ProductBlock& block, float* sums) {
  const Steps steps{block.pairs / kStepPairs, block.pairs % kStepPairs != 0};
  PanelTile panels[kQuadPanels];
  panelTiles(block, steps, panels);
  // Up to 16 rows read each line once, straight from memory, and x once for all four panels.
  if (block.rows <= kTileRows && block.panels == kQuadPanels) {
    Ahead<kQuadPanels> nothing;
    return tile<kQuadPanels>(block.x, panels, steps, nothing, sums);
  }
  const std::size_t passes =
      (block.rows + kTileRows - 1) / kTileRows * std::max<std::size_t>(1, steps.whole);
  const NextCodes& next = block.next;
  const bool isInPlace = next.pairsPerLine == 1;
  for (std::size_t j = 0; j < block.panels; j += 2) {
    Ahead<2> ahead;
    if (next.codes != nullptr) {
      const std::size_t lines = block.pairs / next.pairsPerLine;
      ahead = {next.codes + j * next.panelBytes, next.panelBytes, (lines + passes - 1) / passes};
    }
    // Lines in place of the two panels that come next, be they of this block or of the next.
    if (isInPlace)
      ahead.codes = j + 2 < block.panels
                        ? reinterpret_cast<const std::uint8_t*>(block.lines + (j + 2) * block.panelStride)
                        : next.codes;
    for (std::size_t row = 0; row < block.rows; row += kTileRows) {
      const bf16* x = block.x + row / kTileRows * block.stride;
      float* target = sums + row * kQuadRows + j * kPanelRows;
      Ahead<1> nothing;
      if (j + 1 < block.panels)
        tile<2>(x, panels + j, steps, ahead, target);
      else
        tile<1>(x, panels + j, steps, nothing, target);
    }
  }
}

constexpr std::size_t kSectionPairs = 2 * kStepPairs;

// Lines of a section of four panels, twice: one is decoded while the other multiplies.
struct Section {
  alignas(64) bf16 decoded[kQuadPanels][kSectionPairs * kLineElements];
  const bf16* lines[kQuadPanels];
};

// Lines of pairs [begin, begin + kSectionPairs) of each panel; beyond the last pair zeros up to a tile.
void readSection(const Weight& weight, const FormatLoops& format, std::size_t panel, std::size_t begin,
                 Section& section) {
  const std::size_t pairs = std::min(kSectionPairs, weight.pairs - begin);
  for (std::size_t j = 0; j < kQuadPanels; j++) {
    bf16* decoded = section.decoded[j];
    section.lines[j] = format.lines(weight, panel + j, begin, pairs, decoded);
    if (pairs % kStepPairs == 0) continue;
    if (section.lines[j] != decoded) std::memcpy(decoded, section.lines[j], pairs * kLineBytes);
    std::memset(decoded + pairs * kLineElements, 0, (kSectionPairs - pairs) * kLineBytes);
    section.lines[j] = decoded;
  }
}

// The sums stay in tiles over all columns.
void stream(const Weight& weight, const FormatLoops& format, std::size_t panel, const bf16* x,
            float* sums) {
  thread_local Section sections[2];
  const bf16* lines[kQuadPanels];
  readSection(weight, format, panel, 0, sections[0]);
  overSums<kQuadPanels>(ZeroSums{});
  for (std::size_t begin = 0, turn = 0; begin < weight.pairs; begin += kSectionPairs, turn++) {
    const std::size_t pairs = std::min(kSectionPairs, weight.pairs - begin);
    std::copy_n(sections[turn % 2].lines, kQuadPanels, lines);
    for (std::size_t done = 0; done < pairs; done += kStepPairs, x += kTileRows * kTileColumns) {
      step<kQuadPanels>(x, lines);
      for (auto& line : lines) line += kStepPairs * kLineElements;
    }
    if (begin + kSectionPairs < weight.pairs)
      readSection(weight, format, panel, begin + kSectionPairs, sections[(turn + 1) % 2]);
  }
  overSums<kQuadPanels>(StoreSums{sums});
}

}  // namespace

const ProductLoops amxProductLoops{accumulate, stream, RowLayout::tiles, 0, amx::configureTiles,
                                   amx::releaseTiles};

}  // namespace quantlab
#endif
