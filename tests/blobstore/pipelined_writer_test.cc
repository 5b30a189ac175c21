#include "blobstore/pipelined_writer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <random>
#include <thread>
#include <utility>

#include "base/sha256.h"
#include "tests/fakes/gate.h"
#include "tests/fakes/no_further_thread.h"

namespace waypost::blobstore {
namespace {

// What became of it outlives the writer.
struct Written {
  std::string bytes;
  bool finished = false, discarded = false, destroyed = false;
  std::size_t fail_from = std::numeric_limits<std::size_t>::max();
  base::Gate* gate = nullptr;  // passed by each Append
};

class Recorder final : public BlobWriter {
 public:
  explicit Recorder(Written& written) : written_(written) {}
  ~Recorder() override { written_.destroyed = true; }
  uint64_t offset() const override { return 7; }
  absl::Status Append(std::string_view data) override {
    if (written_.finished || written_.discarded) return absl::FailedPreconditionError("ended");
    if (written_.gate != nullptr) written_.gate->Pass();
    if (written_.bytes.size() + data.size() > written_.fail_from) {
      return absl::ResourceExhaustedError("the disk is full");
    }
    written_.bytes.append(data);
    return absl::OkStatus();
  }
  absl::StatusOr<StagedBlob> Finish(const std::optional<base::BlobId>& expected) override {
    written_.finished = true;
    return StagedBlob{.id = expected.value_or(base::BlobId()), .size_bytes = written_.bytes.size()};
  }
  void Discard() override { written_.discarded = true; }

 private:
  Written& written_;
};

std::unique_ptr<PipelinedWriter> Over(Written& written) {
  return std::make_unique<PipelinedWriter>(std::make_unique<Recorder>(written));
}

constexpr std::size_t kMiB = std::size_t{1} << 20;

std::string SomeBytes(std::size_t count) {
  std::mt19937_64 random(count);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

TEST(PipelinedWriter, WithoutAThreadItGoesOnInItsCallers) {
  Written written;
  const std::string bytes = SomeBytes(3 * kMiB);
  {
    const base::NoFurtherThread none;
    const auto writer = Over(written);
    EXPECT_EQ(writer->offset(), 7u);
    for (std::size_t at = 0; at < bytes.size(); at += kMiB) {
      ASSERT_TRUE(writer->Append(std::string_view(bytes).substr(at, kMiB)).ok());
    }
    ASSERT_TRUE(writer->Finish(base::BlobId()).ok());
    EXPECT_FALSE(writer->Append("more").ok());
  }
  EXPECT_TRUE(written.bytes == bytes);
  EXPECT_TRUE(written.finished && written.destroyed);
}

TEST(PipelinedWriter, EverythingArrivesInOrderWhateverThePieces) {
  const std::string content = SomeBytes(9 * kMiB + 12345);
  std::mt19937_64 random(1);
  for (const std::size_t piece_max : {std::size_t{16384}, kMiB, 3 * kMiB}) {
    Written written;
    const auto writer = Over(written);
    EXPECT_EQ(writer->offset(), 7u);
    for (std::string_view rest = content; !rest.empty();) {
      const std::size_t some = std::min<std::size_t>(rest.size(), 1 + random() % piece_max);
      ASSERT_TRUE(writer->Append(rest.substr(0, some)).ok());
      rest.remove_prefix(some);
    }
    const base::BlobId id = base::Sha256::Of(content);
    const auto staged = writer->Finish(id);
    ASSERT_TRUE(staged.ok());
    EXPECT_EQ(staged->id, id);
    EXPECT_EQ(staged->size_bytes, content.size());
    EXPECT_TRUE(written.bytes == content);
    EXPECT_TRUE(absl::IsFailedPrecondition(writer->Append(std::string(kMiB, 'x'))));
  }
}

TEST(PipelinedWriter, AnErrorIsToldByALaterAppendAndNothingIsWrittenAfterIt) {
  Written written{.fail_from = kMiB};
  const auto writer = Over(written);
  const std::string piece(kMiB / 4, 'x');
  absl::Status status;
  for (int i = 0; i < 10'000 && status.ok(); ++i) status = writer->Append(piece);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_TRUE(absl::IsResourceExhausted(writer->Append(piece)));
  EXPECT_TRUE(absl::IsResourceExhausted(writer->Finish({}).status()));
  EXPECT_FALSE(written.finished);
  EXPECT_EQ(written.bytes.size(), kMiB);
}

TEST(PipelinedWriter, AnErrorOfTheLastPieceIsToldByFinish) {
  for (const std::size_t bytes : {std::size_t{10}, PipelinedWriter::kPieceBytes}) {
    Written written{.fail_from = 5};
    const auto writer = Over(written);
    ASSERT_TRUE(writer->Append(std::string(bytes, 'x')).ok());
    EXPECT_TRUE(absl::IsResourceExhausted(writer->Finish({}).status()));
    EXPECT_FALSE(written.finished);
  }
}

TEST(PipelinedWriter, HoldsNoMoreThanItSaysWhenTheWriterIsBehind) {
  base::Gate gate;
  Written written{.gate = &gate};
  const auto writer = Over(written);
  std::atomic<std::size_t> taken{0};
  std::thread appends([&] {
    const std::string piece(16384, 'x');
    while (taken < 2 * PipelinedWriter::kBytesMax) {
      ASSERT_TRUE(writer->Append(piece).ok());
      taken += piece.size();
    }
  });
  gate.AwaitArrivals(1);
  // As far as it gets: nothing tells that it is not going on, but that it does not.
  std::size_t before = 0;
  for (int still = 0; still < 20;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    still = taken == before ? still + 1 : 0;
    before = taken;
  }
  EXPECT_LE(taken, PipelinedWriter::kBytesMax);
  EXPECT_GT(taken, PipelinedWriter::kBytesMax / 2);
  EXPECT_LE(PipelinedWriter::kBytesMax, 4 * kMiB);
  gate.Open();
  appends.join();
  ASSERT_TRUE(writer->Finish({}).ok());
  EXPECT_EQ(written.bytes.size(), taken);
}

TEST(PipelinedWriter, DestroyedItHasWrittenWhatItTook) {
  Written written;
  const std::string content = SomeBytes(3 * kMiB + 5);
  auto writer = Over(written);
  ASSERT_TRUE(writer->Append(content).ok());
  writer.reset();
  EXPECT_TRUE(written.bytes == content);
  EXPECT_TRUE(written.destroyed);
  EXPECT_FALSE(written.finished);
}

TEST(PipelinedWriter, DiscardedItWritesNothingMore) {
  base::Gate gate;
  Written written{.gate = &gate};
  const auto writer = Over(written);
  ASSERT_TRUE(writer->Append(std::string(4 * PipelinedWriter::kPieceBytes, 'x')).ok());
  gate.AwaitArrivals(1);
  std::thread opener([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    gate.Open();
  });
  writer->Discard();
  opener.join();
  EXPECT_TRUE(written.discarded);
  EXPECT_EQ(written.bytes.size(), PipelinedWriter::kPieceBytes) << "the one it was at";
}

}  // namespace
}  // namespace waypost::blobstore
