// Aligned allocation with accounting.
#include "memory.h"

#include <cstdint>
#include <cstdlib>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace quantlab {

std::atomic<std::int64_t> allocatedBytes[3] = {0, 0, 0};

namespace {
constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::size_t roundedTo(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

#if defined(__linux__)
// Straight from the system, so that a freed weight is given back at once whatever malloc's threshold.
bool isMapped(std::size_t bytes) { return bytes >= 2 * kHugePage; }

void* mapHuge(std::size_t bytes) {
  const std::size_t size = roundedTo(bytes, kHugePage);
  char* base = static_cast<char*>(mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (base == MAP_FAILED) throw std::bad_alloc();
  const std::size_t head = (kHugePage - reinterpret_cast<std::uintptr_t>(base) % kHugePage) % kHugePage;
  if (head > 0) munmap(base, head);
  if (head < kHugePage) munmap(base + head + size, kHugePage - head);
  madvise(base + head, size, MADV_HUGEPAGE);
  return base + head;
}

void unmapHuge(void* pointer, std::size_t bytes) { munmap(pointer, roundedTo(bytes, kHugePage)); }
#else
bool isMapped(std::size_t) { return false; }
void* mapHuge(std::size_t) { throw std::bad_alloc(); }
void unmapHuge(void*, std::size_t) {}
#endif
}  // namespace

void* alignedAllocate(std::size_t bytes, MemoryKind kind) {
  if (bytes > kLargestAllocation) throw std::bad_alloc();
  void* pointer = nullptr;
  if (isMapped(bytes)) {
    pointer = mapHuge(bytes);
  } else if (posix_memalign(&pointer, 64, roundedTo(bytes == 0 ? 1 : bytes, 64)) != 0) {
    throw std::bad_alloc();
  }
  allocatedBytes[static_cast<int>(kind)] += static_cast<std::int64_t>(bytes);
  return pointer;
}

void alignedFree(void* pointer, std::size_t bytes, MemoryKind kind) noexcept {
  if (isMapped(bytes)) {
    unmapHuge(pointer, bytes);
  } else {
    std::free(pointer);
  }
  allocatedBytes[static_cast<int>(kind)] -= static_cast<std::int64_t>(bytes);
}

}  // namespace quantlab
