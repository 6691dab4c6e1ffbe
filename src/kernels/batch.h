// What one step runs, in native memory: set once a step, read by every op of the step.
#pragma once
#include <cstdint>
#include <vector>

namespace quantlab {

struct BatchSequence {
  std::int32_t firstRow;
  std::int32_t rows;
  std::int32_t contextLength;
  std::int32_t firstBlock;  // index into Batch::blockTables
};

// setBatch has checked: the sequences share out the token rows in order and without a gap, logitRows
// are token rows, nothing is negative. Slots and blocks are checked against each cache they meet.
struct Batch {
  std::vector<std::int32_t> tokenIds;     // [tokens]
  std::vector<std::int32_t> positions;    // [tokens]
  std::vector<std::int32_t> slots;        // [tokens] block * blockSize + offset
  std::vector<BatchSequence> sequences;
  std::vector<std::int32_t> blockTables;  // all sequences' tables, one after another
  std::vector<std::int32_t> logitRows;
  std::int32_t lastPosition = -1;         // largest of positions
  std::uint64_t checkedCache = 0;         // KvCache::id that slots and blocks are known to fit
};

}  // namespace quantlab
