// The thread pool: workers spin for a short while after a job, then sleep on a condition variable.
#include "pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
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
  const std::function<void(std::size_t, std::size_t)>* body = nullptr;
  std::size_t total = 0;
  std::size_t grain = 1;
};

class Pool {
 public:
  explicit Pool(int count) {
    for (int i = 1; i < count; i++) workers_.emplace_back([this] { work(); });
  }

  ~Pool() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stop_.store(true);
      generation_.fetch_add(1);
    }
    wake_.notify_all();
    for (auto& worker : workers_) worker.join();
  }

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  void run(const Job& job) {
    job_ = job;
    next_.store(0, std::memory_order_relaxed);
    active_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
    {
      // The lock orders the new generation against a worker that is about to sleep.
      std::lock_guard<std::mutex> lock(mutex_);
      generation_.fetch_add(1, std::memory_order_release);
    }
    if (sleepers_.load(std::memory_order_acquire) > 0) wake_.notify_all();
    drain();
    // Workers leave once the counter is exhausted; whoever holds the last chunk ends the wait.
    int spins = 0;
    while (active_.load(std::memory_order_acquire) > 0) {
      if (++spins < kSpins) {
        relax();
      } else {
        std::this_thread::yield();
      }
    }
  }

 private:
  void drain() {
    for (;;) {
      std::size_t begin = next_.fetch_add(job_.grain, std::memory_order_relaxed);
      if (begin >= job_.total) return;
      (*job_.body)(begin, std::min(begin + job_.grain, job_.total));
    }
  }

  void work() {
    unsigned seen = 0;
    for (;;) {
      int spins = 0;
      while (generation_.load(std::memory_order_acquire) == seen) {
        if (++spins < kSpins) {
          relax();
          continue;
        }
        std::unique_lock<std::mutex> lock(mutex_);
        sleepers_.fetch_add(1, std::memory_order_release);
        wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
        sleepers_.fetch_sub(1, std::memory_order_release);
      }
      // run() waits for every worker, so a worker can never fall a generation behind.
      seen = generation_.load(std::memory_order_acquire);
      if (stop_.load()) return;
      drain();
      active_.fetch_sub(1, std::memory_order_release);
    }
  }

  Job job_;
  std::atomic<std::size_t> next_{0};
  std::atomic<int> active_{0};
  std::atomic<unsigned> generation_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> workers_;
};

std::mutex poolMutex;
std::unique_ptr<Pool> pool;
int wanted = 0;

}  // namespace

void setThreads(int count) {
  std::lock_guard<std::mutex> lock(poolMutex);
  wanted = std::max(1, count);
  if (pool && pool->size() != wanted) pool.reset();
}

int threads() {
  std::lock_guard<std::mutex> lock(poolMutex);
  return wanted > 0 ? wanted : availableCores();
}

void parallelFor(std::size_t total, std::size_t grain,
                 const std::function<void(std::size_t, std::size_t)>& body) {
  if (total == 0) return;
  grain = std::max<std::size_t>(1, grain);
  if (total <= grain) {
    body(0, total);
    return;
  }
  std::lock_guard<std::mutex> lock(poolMutex);
  if (wanted == 0) wanted = availableCores();
  if (wanted == 1) {
    body(0, total);
    return;
  }
  if (!pool) pool = std::make_unique<Pool>(wanted);
  pool->run({&body, total, grain});
}

}  // namespace quantlab
