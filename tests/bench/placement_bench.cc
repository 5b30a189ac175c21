#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/index.h"
#include "base/key_codec.h"
#include "base/standard_descriptors.h"
#include "base/status.h"
#include "integration/peer.h"
#include "tests/bench/figures.h"

// Where small blobs are best kept: in values of LMDB, as they are, or in an append-only file with a
// row in LMDB that says where. What is measured is the placement alone, with the same transactions
// of the same index: durable ingest in group commits, reads in random order, deletion, and the room
// that it all takes. Rounds alternate. Why it was decided as it is stands in docs/architecture.md.
//   placement_bench [rounds]

namespace waypost::bench {
namespace {

using base::Index;
using base::Table;

struct Figures {
  double ingest = 0, read = 0, remove = 0;  // blobs a second
  double room = 0;                          // bytes on disk for a byte of blobs, before deletion
};

std::string KeyOf(uint64_t number) {
  std::string key(24, '\0');
  base::AppendU64(key, number);
  return key;
}

uint64_t DiskBytes(const std::string& folder) {
  uint64_t bytes = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder)) {
    struct stat status {};
    if (::stat(file.path().c_str(), &status) == 0 && file.is_regular_file()) {
      bytes += static_cast<uint64_t>(status.st_blocks) * 512;
    }
  }
  return bytes;
}

// One way of keeping blobs. A group of them is put or removed in one commit.
class Placement {
 public:
  explicit Placement(const std::string& folder) : folder_(folder) {
    std::filesystem::create_directories(folder);
    index_ = *Index::Open({.dir = folder});
  }
  virtual ~Placement() { index_->Shutdown(); }
  virtual void Put(uint64_t first, const std::vector<std::string>& blobs) = 0;
  // The bytes, summed, so that they were read.
  virtual uint64_t Read(uint64_t number) = 0;
  virtual void Remove(uint64_t first, std::size_t count) = 0;
  uint64_t disk_bytes() const { return DiskBytes(folder_); }

 protected:
  static uint64_t Sum(std::string_view bytes) {
    uint64_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); i += 64) sum += static_cast<unsigned char>(bytes[i]);
    return sum;
  }
  void Update(const std::function<void(base::WriteTxn&)>& change) {
    CHECK(index_
              ->Update(Index::Lane::kForeground,
                       [&](base::WriteTxn& txn) {
                         change(txn);
                         return absl::OkStatus();
                       })
              .ok());
  }
  const std::string folder_;
  std::unique_ptr<Index> index_;
};

class Inline final : public Placement {
 public:
  using Placement::Placement;
  void Put(uint64_t first, const std::vector<std::string>& blobs) override {
    Update([&](base::WriteTxn& txn) {
      for (std::size_t i = 0; i < blobs.size(); ++i) {
        txn.Put(Table::kBlobs, KeyOf(first + i), "a row of some forty bytes, as a blob has it");
        std::string key;
        base::AppendU64(key, first + i);
        txn.PutRaw(Table::kInline, key, blobs[i]);
      }
    });
  }
  uint64_t Read(uint64_t number) override {
    uint64_t sum = 0;
    CHECK(index_
              ->Read([&](base::ReadTxn& txn) {
                CHECK(txn.Get(Table::kBlobs, KeyOf(number)));
                std::string key;
                base::AppendU64(key, number);
                sum = Sum(*txn.GetRaw(Table::kInline, key));
              })
              .ok());
    return sum;
  }
  void Remove(uint64_t first, std::size_t count) override {
    Update([&](base::WriteTxn& txn) {
      for (std::size_t i = 0; i < count; ++i) {
        txn.Delete(Table::kBlobs, KeyOf(first + i));
        std::string key;
        base::AppendU64(key, first + i);
        txn.Delete(Table::kInline, key);
      }
    });
  }
};

class Pack final : public Placement {
 public:
  explicit Pack(const std::string& folder)
      : Placement(folder),
        fd_(open((folder + "/pack").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)) {
    CHECK(fd_ >= 0);
  }
  ~Pack() override { close(fd_); }
  // The bytes are durable before the rows that name them.
  void Put(uint64_t first, const std::vector<std::string>& blobs) override {
    std::string all;
    const uint64_t begin = end_;
    for (const std::string& blob : blobs) all += blob;
    CHECK(pwrite(fd_, all.data(), all.size(), static_cast<off_t>(end_)) ==
          static_cast<ssize_t>(all.size()));
    CHECK(fdatasync(fd_) == 0);
    end_ += all.size();
    Update([&](base::WriteTxn& txn) {
      uint64_t at = begin;
      for (std::size_t i = 0; i < blobs.size(); ++i) {
        std::string row("a row of some forty bytes, as a blob has it");
        base::AppendU64(row, at);
        base::AppendU64(row, blobs[i].size());
        txn.Put(Table::kBlobs, KeyOf(first + i), row);
        at += blobs[i].size();
      }
    });
  }
  uint64_t Read(uint64_t number) override {
    uint64_t at = 0, size = 0;
    CHECK(index_
              ->Read([&](base::ReadTxn& txn) {
                const auto row = txn.Get(Table::kBlobs, KeyOf(number));
                CHECK(row);
                at = base::ReadU64(row->substr(row->size() - 16));
                size = base::ReadU64(row->substr(row->size() - 8));
              })
              .ok());
    std::string bytes(size, '\0');
    CHECK(pread(fd_, bytes.data(), size, static_cast<off_t>(at)) == static_cast<ssize_t>(size));
    return Sum(bytes);
  }
  // The bytes stay until somebody rewrites the file without them; that is not counted here.
  void Remove(uint64_t first, std::size_t count) override {
    Update([&](base::WriteTxn& txn) {
      for (std::size_t i = 0; i < count; ++i) txn.Delete(Table::kBlobs, KeyOf(first + i));
    });
  }

 private:
  const int fd_;
  uint64_t end_ = 0;
};

constexpr std::size_t kGroup = 330;  // blobs of one commit, as a fetch has them
constexpr std::size_t kGroupBytesMax = std::size_t{8} << 20;

Figures Measure(Placement& placement, std::size_t size, uint64_t count) {
  Figures figures;
  const std::size_t group = std::min(kGroup, std::max<std::size_t>(1, kGroupBytesMax / size));
  std::vector<std::string> blobs;
  for (std::size_t i = 0; i < group; ++i) blobs.push_back(integration::SomeBytes(size, i));
  auto begin = Clock::now();
  uint64_t put = 0;
  for (; put < count; put += group) placement.Put(put, blobs);
  figures.ingest = static_cast<double>(put) / SecondsSince(begin);
  figures.room = static_cast<double>(placement.disk_bytes()) / static_cast<double>(put * size);

  std::vector<uint64_t> order(put);
  std::iota(order.begin(), order.end(), uint64_t{0});
  std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
  begin = Clock::now();
  uint64_t sum = 0;
  for (const uint64_t number : order) sum += placement.Read(number);
  CHECK(sum > 0);
  figures.read = static_cast<double>(put) / SecondsSince(begin);

  begin = Clock::now();
  for (uint64_t first = 0; first < put; first += group) placement.Remove(first, group);
  figures.remove = static_cast<double>(put) / SecondsSince(begin);
  return figures;
}

int Main(int rounds, uint64_t bytes_of_set) {
  std::printf(
      "| blob | where | ingest/s | read/s | delete/s | bytes on disk a byte | ingest, pack to "
      "inline |\n|---|---|---|---|---|---|---|\n");
  for (const std::size_t size : {1000, 3900, 4096, 16384, 65536, 262144}) {
    std::vector<Figures> all[2];
    std::vector<double> ratios;
    for (int round = 0; round < rounds; ++round) {
      for (const bool pack : {false, true}) {
        const integration::TempDir work;
        std::unique_ptr<Placement> placement;
        if (pack) {
          placement = std::make_unique<Pack>(work.path() + "/pack");
        } else {
          placement = std::make_unique<Inline>(work.path() + "/inline");
        }
        const uint64_t count = std::clamp<uint64_t>(bytes_of_set / size, 100, 20'000);
        all[pack ? 1 : 0].push_back(Measure(*placement, size, count));
      }
      ratios.push_back(all[1].back().ingest / all[0].back().ingest);
    }
    for (const bool pack : {false, true}) {
      const auto median = [&](double Figures::*which) {
        std::vector<double> values;
        for (const Figures& one : all[pack ? 1 : 0]) values.push_back(one.*which);
        return Median(values);
      };
      std::printf("| %zu | %s | %.0f | %.0f | %.0f | %.2f | %s |\n", size, pack ? "pack" : "inline",
                  median(&Figures::ingest), median(&Figures::read), median(&Figures::remove),
                  median(&Figures::room),
                  pack ? absl::StrCat(static_cast<int>(Median(ratios) * 100) / 100.0).c_str() : "");
      Record({{"bench", "placement"},
              {"bytes", size},
              {"where", pack ? "pack" : "inline"},
              {"ingest_per_s", median(&Figures::ingest)},
              {"read_per_s", median(&Figures::read)},
              {"remove_per_s", median(&Figures::remove)},
              {"room", median(&Figures::room)}});
    }
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace waypost::bench

int main(int argc, char** argv) {
  if (!waypost::base::FillStandardDescriptors()) return 1;
  const bool quick = waypost::bench::TakeQuick(argc, argv);
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : quick ? 1 : 3;
  return waypost::bench::Main(rounds, quick ? uint64_t{1} << 20 : uint64_t{80} << 20);
}
