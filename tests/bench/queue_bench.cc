#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <queue>
#include <random>
#include <vector>

#include "absl/container/btree_set.h"
#include "base/standard_descriptors.h"
#include "fetcher/policy/indexed_heap.h"
#include "tests/bench/figures.h"

// The heap of the queue beside what one would take instead, at a million entries: a heap from which
// nothing can be removed, and a sorted set. The figures are ns for each operation.

namespace waypost::fetcher {
namespace {

constexpr std::size_t kEntries = 1'000'000;

// As large as what the queue holds: a time and a due key.
struct Entry {
  int64_t start = 0;
  uint64_t number = 0;
  uint64_t rest[8] = {};
};
struct Before {
  bool operator()(const Entry& a, const Entry& b) const {
    return a.start != b.start ? a.start < b.start : a.number < b.number;
  }
};
struct StartOf {
  int64_t operator()(const Entry& entry) const { return entry.start; }
};
struct After {
  bool operator()(const Entry& a, const Entry& b) const { return Before()(b, a); }
};

std::vector<Entry> SomeEntries(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Entry> entries(kEntries);
  for (std::size_t i = 0; i < kEntries; ++i) {
    entries[i].start = static_cast<int64_t>(random() % 1'000'000'000);
    entries[i].number = i;
  }
  return entries;
}

double Ns(const std::function<void()>& run) {
  const auto begin = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin)
             .count() /
         static_cast<double>(kEntries);
}

struct Figures {
  double push = 0, hold = 0, remove = 0;
};

Figures Heap(const std::vector<Entry>& entries, const std::vector<Entry>& more) {
  IndexedHeap<Entry, Before, StartOf> heap;
  std::vector<IndexedHeap<Entry, Before, StartOf>::Handle> handles(2 * kEntries);
  Figures figures;
  figures.push = Ns([&] {
    for (const Entry& entry : entries) handles[entry.number] = heap.Push(entry);
  });
  figures.hold = Ns([&] {
    for (const Entry& entry : more) {
      handles[heap.Pop().number] = ~0u;
      handles[kEntries + entry.number] = heap.Push({entry.start, kEntries + entry.number, {}});
    }
  });
  figures.remove = Ns([&] {
    for (const auto handle : handles) {
      if (handle != ~0u) heap.Remove(handle);
    }
  });
  return figures;
}

Figures PriorityQueue(const std::vector<Entry>& entries, const std::vector<Entry>& more) {
  std::priority_queue<Entry, std::vector<Entry>, After> queue;
  Figures figures;
  figures.push = Ns([&] {
    for (const Entry& entry : entries) queue.push(entry);
  });
  figures.hold = Ns([&] {
    for (const Entry& entry : more) {
      queue.pop();
      queue.push({entry.start, kEntries + entry.number, {}});
    }
  });
  return figures;
}

Figures BtreeSet(const std::vector<Entry>& entries, const std::vector<Entry>& more) {
  absl::btree_set<Entry, Before> set;
  std::vector<Entry> here(2 * kEntries, Entry{.start = -1});
  Figures figures;
  figures.push = Ns([&] {
    for (const Entry& entry : entries) {
      set.insert(entry);
      here[entry.number] = entry;
    }
  });
  figures.hold = Ns([&] {
    for (const Entry& entry : more) {
      here[set.begin()->number].start = -1;
      set.erase(set.begin());
      const Entry added{entry.start, kEntries + entry.number, {}};
      set.insert(added);
      here[added.number] = added;
    }
  });
  figures.remove = Ns([&] {
    for (const Entry& entry : here) {
      if (entry.start >= 0) set.erase(entry);
    }
  });
  return figures;
}

int Main(int rounds) {
  struct {
    const char* name;
    Figures (*run)(const std::vector<Entry>&, const std::vector<Entry>&);
    std::vector<Figures> figures;
  } subjects[] = {{"IndexedHeap", Heap, {}},
                  {"std::priority_queue", PriorityQueue, {}},
                  {"absl::btree_set", BtreeSet, {}}};
  for (int round = 0; round < rounds; ++round) {
    const auto entries = SomeEntries(static_cast<uint64_t>(2 * round));
    const auto more = SomeEntries(static_cast<uint64_t>(2 * round + 1));
    for (auto& subject : subjects) subject.figures.push_back(subject.run(entries, more));
  }
  std::printf("| at 1,000,000 entries of %zu bytes | push, ns | pop and push, ns | remove, ns |\n",
              sizeof(Entry));
  std::printf("|---|---|---|---|\n");
  for (const auto& subject : subjects) {
    const auto median = [&](double Figures::*which) {
      std::vector<double> values;
      for (const Figures& figures : subject.figures) values.push_back(figures.*which);
      return bench::Median(values);
    };
    std::printf("| %s | %.0f | %.0f | %.0f |\n", subject.name, median(&Figures::push),
                median(&Figures::hold), median(&Figures::remove));
    bench::Record({{"bench", "queue"},
                   {"subject", subject.name},
                   {"push_ns", median(&Figures::push)},
                   {"hold_ns", median(&Figures::hold)},
                   {"remove_ns", median(&Figures::remove)}});
  }
  return 0;
}

}  // namespace
}  // namespace waypost::fetcher

int main(int argc, char** argv) {
  if (!waypost::base::FillStandardDescriptors()) return 1;
  return waypost::fetcher::Main(waypost::bench::TakeQuick(argc, argv) ? 1 : 5);
}
