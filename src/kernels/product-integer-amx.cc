// Products in whole numbers on AMX: 16 rows of digits and 16 byte lines are a tile each.
#include "product-integer.h"

#if defined(__x86_64__)
#include <algorithm>
#include <cstring>

#include "amx.h"
#include "dispatch.h"
#include "intrinsics.h"

namespace quantlab {
namespace {

static_assert(kDigitTileRows == amx::kTileRows && kDigitTileColumns == amx::kTileBytes);
constexpr std::size_t kTileLines = amx::kTileRows;  // byte lines of a tile
constexpr std::size_t kTileSums = amx::kTileRows * kPanelRows;
constexpr std::size_t kPairPanels = 2;
constexpr std::size_t kTokens = kDigitTileRows / 2;  // of a tile of two digits
constexpr int kDigitBits = 7;
constexpr std::size_t kMostLines = 32;  // byte lines of a group of 128 columns
constexpr std::size_t kAheadGroups = 2;

// A group's byte lines of two panels and a tile of sums of each, twice: one is filled while the other is read.
struct Scratch {
  alignas(64) std::uint8_t lines[2][kPairPanels][kMostLines * kByteLine];
  alignas(64) std::int32_t sums[2][kPairPanels][kTileSums];
  alignas(64) std::uint8_t tail[kPairPanels][kTileLines * kByteLine];
};

Scratch& scratch() {
  thread_local Scratch memory;
  return memory;
}

// --- nibbles -------------------------------------------------------------------------------------

// A panel's 16 zero points, each in the four bytes of its output.
QUANTLAB_AVX512 inline __m512i zeroBytes(const std::uint8_t* zeros) {
  long long bits;
  std::memcpy(&bits, zeros, 8);
  const __m512i shifts = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
  const __m512i halves = _mm512_permutexvar_epi32(
      _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1), _mm512_set1_epi64(bits));
  const __m512i each = _mm512_and_si512(_mm512_srlv_epi32(halves, shifts), _mm512_set1_epi32(15));
  return _mm512_shuffle_epi8(each, _mm512_broadcast_i32x4(_mm_setr_epi8(
                                       0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12)));
}

// Codes minus zero points, signed: five operations for 128 weights, once for all rows.
QUANTLAB_AVX512 void decodeGroup(const GroupBlock& block, std::size_t panel, std::size_t group,
                                 std::uint8_t* lines) {
  const std::size_t count = block.lines.count;
  const std::uint8_t* codes =
      block.lines.first + panel * block.lines.panelStride + group * count * kByteLine;
  const __m512i zeros =
      zeroBytes(block.zeros + (panel * block.weightGroups + group) * kPanelRows / 2);
  const __m512i nibble = _mm512_set1_epi8(15);
  for (std::size_t i = 0; i < count; i++, lines += 2 * kByteLine) {
    const std::uint8_t* at = codes + i * kByteLine;
    _mm_prefetch(reinterpret_cast<const char*>(at + kAheadGroups * count * kByteLine), _MM_HINT_T0);
    const __m512i both = _mm512_loadu_si512(at);
    const __m512i first = _mm512_and_si512(both, nibble);
    const __m512i second = _mm512_and_si512(_mm512_srli_epi16(both, 4), nibble);
    _mm512_store_si512(lines, _mm512_sub_epi8(first, zeros));
    _mm512_store_si512(lines + kByteLine, _mm512_sub_epi8(second, zeros));
  }
}

// Two operands alive at a time, as in product-amx.cc and for its reason.
template <int Panel>
inline void addSignedLines(const std::uint8_t* lines) {
  amx::loadTile<7>(lines, kByteLine);
  amx::multiplySignedBytes<Panel, 6, 7>();
  amx::zeroTile<7>();
}

// One tile of tokens in one group against one panel or two.
template <std::size_t Panels>
inline void sumGroup(const std::int8_t* x, std::size_t steps,
                     const std::uint8_t (&lines)[kPairPanels][kMostLines * kByteLine],
                     std::int32_t (&sums)[kPairPanels][kTileSums]) {
  amx::zeroTile<0>();
  if constexpr (Panels == 2) amx::zeroTile<1>();
  for (std::size_t step = 0; step < steps; step++) {
    amx::loadTile<6>(x + step * kDigitTileBytes, kDigitTileColumns);
    addSignedLines<0>(lines[0] + step * kTileLines * kByteLine);
    if constexpr (Panels == 2) addSignedLines<1>(lines[1] + step * kTileLines * kByteLine);
    amx::zeroTile<6>();
  }
  amx::storeTile<0>(sums[0], kByteLine);
  if constexpr (Panels == 2) amx::storeTile<1>(sums[1], kByteLine);
}

// Sums on their way from tiles to totals.
struct Pending {
  std::size_t group;
  std::size_t row;
};

template <std::size_t Panels>
QUANTLAB_AVX512 void addScaled(const GroupBlock& block, std::size_t panel, const Pending& from,
                               const std::int32_t (&whole)[kPairPanels][kTileSums], float* sums) {
  const std::size_t tokens = std::min(kTokens, block.x.rows - from.row);
  for (std::size_t j = 0; j < Panels; j++) {
    const std::size_t own = (panel + j) * block.weightGroups + from.group;
    const __m512 scales = _mm512_cvtph_ps(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block.scales + own * kPanelRows)));
    float* target = sums + from.row * kQuadRows + (panel + j) * kPanelRows;
    const float* xScale = block.xScales + from.row * block.weightGroups + from.group;
    for (std::size_t token = 0; token < tokens; token++, target += kQuadRows) {
      const __m512i high = _mm512_load_si512(whole[j] + token * kPanelRows);
      const __m512i low = _mm512_load_si512(whole[j] + (token + kTokens) * kPanelRows);
      const __m512 sum =
          _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_slli_epi32(high, kDigitBits), low)),
                        _mm512_set1_ps(xScale[token * block.weightGroups]));
      _mm512_storeu_ps(target, _mm512_add_ps(_mm512_loadu_ps(target), _mm512_mul_ps(sum, scales)));
    }
  }
}

// The next group is decoded, and the sums before these are scaled, while the tiles multiply.
template <std::size_t Panels>
void addPanels(const GroupBlock& block, std::size_t panel, float* sums) {
  Scratch& memory = scratch();
  const std::size_t steps = (2 * block.lines.count + kTileLines - 1) / kTileLines;
  const auto decode = [&](std::size_t group) {
    for (std::size_t j = 0; j < Panels; j++)
      decodeGroup(block, panel + j, group, memory.lines[group % 2][j]);
  };
  decode(0);
  std::size_t turn = 0;
  Pending last{0, 0};
  for (std::size_t group = 0; group < block.groups; group++) {
    for (std::size_t row = 0; row < block.x.rows; row += kTokens, turn++) {
      const std::int8_t* x =
          block.x.first + row / kTokens * block.x.stride + group * steps * kDigitTileBytes;
      sumGroup<Panels>(x, steps, memory.lines[group % 2], memory.sums[turn % 2]);
      if (row == 0 && group + 1 < block.groups) decode(group + 1);
      if (turn > 0) addScaled<Panels>(block, panel, last, memory.sums[(turn + 1) % 2], sums);
      last = {group, row};
    }
  }
  if (turn > 0) addScaled<Panels>(block, panel, last, memory.sums[(turn + 1) % 2], sums);
}

void addNibbles(const GroupBlock& block, float* sums) {
  std::size_t panel = 0;
  for (; panel + 2 <= block.lines.panels; panel += 2) addPanels<2>(block, panel, sums);
  if (panel < block.lines.panels) addPanels<1>(block, panel, sums);
}

// --- bytes ---------------------------------------------------------------------------------------

constexpr std::size_t kSumsStride = kQuadRows * sizeof(std::int32_t);

template <int Panel>
inline void addUnsignedLines(const std::uint8_t* lines) {
  amx::loadTile<7>(lines, kByteLine);
  amx::multiplyUnsignedBytes<Panel, 6, 7>();
  amx::zeroTile<7>();
}

// 16 rows of x against one panel or two.
template <std::size_t Panels>
void addTile(const ByteLines& lines, std::size_t panel, const std::int8_t* x, const Scratch& memory,
             std::int32_t* sums) {
  amx::loadTile<0>(sums, kSumsStride);
  if constexpr (Panels == 2) amx::loadTile<1>(sums + kPanelRows, kSumsStride);
  const std::uint8_t* first = lines.first + panel * lines.panelStride;
  const std::size_t whole = lines.count / kTileLines;
  const std::size_t steps = (lines.count + kTileLines - 1) / kTileLines;
  for (std::size_t step = 0; step < steps; step++) {
    const std::uint8_t* own = step < whole ? first + step * kTileLines * kByteLine : memory.tail[0];
    amx::loadTile<6>(x + step * kDigitTileBytes, kDigitTileColumns);
    addUnsignedLines<0>(own);
    if constexpr (Panels == 2)
      addUnsignedLines<1>(step < whole ? own + lines.panelStride : memory.tail[1]);
    amx::zeroTile<6>();
  }
  amx::storeTile<0>(sums, kSumsStride);
  if constexpr (Panels == 2) amx::storeTile<1>(sums + kPanelRows, kSumsStride);
}

template <std::size_t Panels>
void addBytesPanels(const ByteLines& lines, std::size_t panel, const DigitBlock& x,
                    std::int32_t* sums) {
  Scratch& memory = scratch();
  // A step with fewer lines than a tile must not read beyond the weight; its digits are zeros there.
  const std::size_t whole = lines.count / kTileLines * kTileLines;
  for (std::size_t j = 0; whole < lines.count && j < Panels; j++)
    std::memcpy(memory.tail[j], lines.first + (panel + j) * lines.panelStride + whole * kByteLine,
                (lines.count - whole) * kByteLine);
  for (std::size_t row = 0; row < x.rows; row += kDigitTileRows)
    addTile<Panels>(lines, panel, x.first + row / kDigitTileRows * x.stride, memory,
                    sums + row * kQuadRows + panel * kPanelRows);
}

void addBytes(const ByteLines& lines, const DigitBlock& x, std::int32_t* sums) {
  std::size_t panel = 0;
  for (; panel + 2 <= lines.panels; panel += 2) addBytesPanels<2>(lines, panel, x, sums);
  if (panel < lines.panels) addBytesPanels<1>(lines, panel, x, sums);
}

}  // namespace

const IntegerLoops amxIntegerLoops{addNibbles, addBytes, 128, DigitLayout::tiles, amx::configureTiles,
                                   amx::releaseTiles};

}  // namespace quantlab
#endif
