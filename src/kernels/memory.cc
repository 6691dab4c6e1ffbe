// Aligned allocation with accounting.
#include "memory.h"

#include <cstdlib>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace quantlab {

std::atomic<std::int64_t> allocatedBytes[3] = {0, 0, 0};

namespace {
constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::size_t rounded(std::size_t bytes) { return (bytes + 63) / 64 * 64; }
}  // namespace

void* alignedAllocate(std::size_t bytes, MemoryKind kind) {
  const std::size_t size = rounded(bytes == 0 ? 1 : bytes);
  const bool large = size >= 2 * kHugePage;
  void* pointer = nullptr;
  if (posix_memalign(&pointer, large ? kHugePage : 64, size) != 0) throw std::bad_alloc();
#if defined(__linux__)
  if (large) madvise(pointer, size, MADV_HUGEPAGE);
#endif
  allocatedBytes[static_cast<int>(kind)] += static_cast<std::int64_t>(bytes);
  return pointer;
}

void alignedFree(void* pointer, std::size_t bytes, MemoryKind kind) noexcept {
  std::free(pointer);
  allocatedBytes[static_cast<int>(kind)] -= static_cast<std::int64_t>(bytes);
}

}  // namespace quantlab
