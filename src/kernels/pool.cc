// The thread pool: workers spin for a short while after a job, then sleep on a condition variable.
#include "pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "cpu.h"

namespace quantlab {
namespace {

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// About 20 to 50 microseconds: longer than the gap between two ops of a decode step, shorter than
// a time slice that somebody else could have used.
constexpr int kSpins = 2000;

struct Job {
  ChunkFunction function = nullptr;
  const void* body = nullptr;
  std::size_t total = 0;
  std::size_t grain = 1;
};

class Pool {
 public:
  explicit Pool(int count) {
    for (int i = 1; i < count; i++) workers_.emplace_back([this] { work(); });
  }

  ~Pool() {
    stop_.store(true);
    announce();
    for (auto& worker : workers_) worker.join();
  }

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  void run(const Job& job) {
    // Nobody reads these now: the last job is closed and all who joined it have left.
    job_ = job;
    next_.store(0, std::memory_order_relaxed);
    announce();
    drain();
    // Closing the job first means waiting only for workers that joined it: one that the system has
    // not scheduled yet finds the job closed and costs nothing.
    std::uint64_t state = state_.fetch_and(~kOpen, std::memory_order_acq_rel) & ~kOpen;
    int spins = 0;
    while ((state & kJoinedMask) != 0) {
      if (++spins < kSpins) {
        relax();
      } else {
        std::this_thread::yield();
      }
      state = state_.load(std::memory_order_acquire);
    }
  }

 private:
  // state_: generation in the high half, then "a job is open", then how many workers are inside.
  static constexpr std::uint64_t kGeneration = std::uint64_t{1} << 32;
  static constexpr std::uint64_t kOpen = std::uint64_t{1} << 31;
  static constexpr std::uint64_t kJoinedMask = kOpen - 1;

  static std::uint64_t generationOf(std::uint64_t state) { return state / kGeneration; }

  void announce() {
    {
      // The lock orders the new generation against a worker that is about to sleep.
      std::lock_guard<std::mutex> lock(mutex_);
      state_.fetch_add(kGeneration | kOpen, std::memory_order_release);
    }
    if (sleepers_.load(std::memory_order_acquire) > 0) wake_.notify_all();
  }

  void drain() {
    for (;;) {
      std::size_t begin = next_.fetch_add(job_.grain, std::memory_order_relaxed);
      if (begin >= job_.total) return;
      job_.function(job_.body, begin, std::min(begin + job_.grain, job_.total));
    }
  }

  // Waits for a generation other than `seen`, spinning first; returns the state that has it.
  std::uint64_t awaitJob(std::uint64_t seen) {
    for (int spins = 0; spins < kSpins; spins++) {
      std::uint64_t state = state_.load(std::memory_order_acquire);
      if (generationOf(state) != seen) return state;
      relax();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    sleepers_.fetch_add(1, std::memory_order_release);
    wake_.wait(lock, [&] { return generationOf(state_.load(std::memory_order_acquire)) != seen; });
    sleepers_.fetch_sub(1, std::memory_order_release);
    return state_.load(std::memory_order_acquire);
  }

  void work() {
    std::uint64_t seen = 0;
    for (;;) {
      std::uint64_t state = awaitJob(seen);
      if (stop_.load()) return;
      seen = generationOf(state);
      // Join only while the job of this very generation is open; the count keeps run() waiting.
      while ((state & kOpen) != 0 && generationOf(state) == seen) {
        if (!state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel)) continue;
        drain();
        state_.fetch_sub(1, std::memory_order_acq_rel);
        break;
      }
    }
  }

  Job job_;
  std::atomic<std::size_t> next_{0};
  std::atomic<std::uint64_t> state_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> workers_;
};

std::mutex poolMutex;
// Never destroyed: at process exit sleeping workers simply end with the process. The addon is linked
// "nodelete", so its code stays mapped when the Node worker that loaded it ends.
Pool* pool = nullptr;
std::atomic<int> wanted{0};

}  // namespace

void setThreads(int count) {
  std::lock_guard<std::mutex> lock(poolMutex);
  wanted = std::max(1, count);
  if (pool != nullptr && pool->size() != wanted) {
    delete pool;
    pool = nullptr;
  }
}

int threads() {
  const int count = wanted;
  return count > 0 ? count : availableCores();
}

void runChunks(std::size_t total, std::size_t grain, ChunkFunction function, const void* body) {
  if (total == 0) return;
  grain = std::max<std::size_t>(1, grain);
  if (total <= grain) {
    function(body, 0, total);
    return;
  }
  std::lock_guard<std::mutex> lock(poolMutex);
  if (wanted == 0) wanted = availableCores();
  if (wanted == 1) {
    // Chunk by chunk, so that a body may rely on chunks of at most one grain.
    for (std::size_t begin = 0; begin < total; begin += grain)
      function(body, begin, std::min(begin + grain, total));
    return;
  }
  if (pool == nullptr) pool = new Pool(wanted);
  pool->run({function, body, total, grain});
}

}  // namespace quantlab
