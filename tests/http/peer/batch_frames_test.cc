#include "http/peer/batch_frames.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/key_codec.h"
#include "base/status.h"
#include "syncgroup/protocol/wire_codec.h"

namespace waypost::http {
namespace {

struct Kept {
  FrameKind kind;
  uint8_t grants;
  std::string body;
  friend bool operator==(const Kept&, const Kept&) = default;
};

struct Reading {
  absl::Status status;
  std::vector<Kept> frames;
  bool done = false;
};
// In two pieces, of their own allocations.
Reading Read(const std::string& bytes, std::size_t cut, std::size_t frames,
             uint64_t blob_bytes_max = 100) {
  Reading reading;
  FrameReader reader(frames, blob_bytes_max);
  const auto take = [&](const Frame& frame) {
    reading.frames.push_back({frame.kind, frame.grants, std::string(frame.body)});
    return absl::OkStatus();
  };
  reading.status = reader.Feed(std::string(bytes, 0, cut), take);
  if (reading.status.ok()) reading.status = reader.Feed(std::string(bytes, cut), take);
  reading.done = reader.done();
  return reading;
}

std::string FourFrames() {
  std::string bytes;
  AppendFrame(bytes, {FrameKind::kBlob, 0b101, "the bytes of a blob"});
  AppendFrame(bytes, {FrameKind::kMiss, 0, "a miss"});
  AppendFrame(bytes, {FrameKind::kBlob, 1, ""});
  std::string size;
  base::AppendU64(size, 123456789);
  AppendFrame(bytes, {FrameKind::kLeftOut, 0, size});
  return bytes;
}

TEST(BatchFrames, HaveTheseBytesForEver) {
  std::string bytes;
  AppendFrame(bytes, {FrameKind::kBlob, 3, "abc"});
  EXPECT_EQ(bytes, std::string("\x01\x03\0\0\0\x03", 6) + "abc");
}

TEST(BatchFrames, AreTheSameHoweverTheyAreCut) {
  const std::string bytes = FourFrames();
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    const Reading reading = Read(bytes, cut, 4);
    ASSERT_TRUE(reading.status.ok()) << cut << reading.status;
    EXPECT_TRUE(reading.done) << cut;
    ASSERT_EQ(reading.frames.size(), 4u) << cut;
    EXPECT_EQ(reading.frames[0], (Kept{FrameKind::kBlob, 0b101, "the bytes of a blob"}));
    EXPECT_EQ(reading.frames[1], (Kept{FrameKind::kMiss, 0, "a miss"}));
    EXPECT_EQ(reading.frames[2], (Kept{FrameKind::kBlob, 1, ""}));
    EXPECT_EQ(base::ReadU64(reading.frames[3].body), 123456789u);
  }
}

TEST(BatchFrames, AreNotDoneBeforeTheirEnd) {
  const std::string bytes = FourFrames();
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const Reading reading = Read(bytes.substr(0, length), length / 2, 4);
    EXPECT_TRUE(reading.status.ok());
    EXPECT_FALSE(reading.done) << length;
  }
  EXPECT_FALSE(Read(bytes, 7, 5).done) << "one is missing";
}

TEST(BatchFrames, WhatIsNoFrameIsRefusedBeforeItsBodyIsKept) {
  const auto refused = [](const std::string& bytes, std::size_t frames = 1) {
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
      if (!absl::IsInvalidArgument(Read(bytes, cut, frames).status)) return false;
    }
    return true;
  };
  EXPECT_TRUE(refused(std::string("\x04\0\0\0\0\0", 6))) << "an unknown kind";
  EXPECT_TRUE(refused(std::string("\0\0\0\0\0\0", 6))) << "no kind";
  EXPECT_TRUE(refused(std::string("\x01\x01\0\0\0\x65", 6))) << "a blob of 101 bytes";
  EXPECT_FALSE(refused(std::string("\x01\x01\0\0\0\x64", 6))) << "one of 100";
  EXPECT_TRUE(refused(std::string("\x01\x01\xff\xff\xff\xff", 6))) << "of 4 GiB";
  EXPECT_TRUE(refused(std::string("\x02\x00\x00\x01\x00\x01", 6))) << "a miss over 64 KiB";
  EXPECT_TRUE(refused(std::string("\x02\x01\0\0\0\0", 6))) << "a miss that grants";
  EXPECT_TRUE(refused(std::string("\x03\x00\0\0\0\x07", 6))) << "a size of 7 bytes";
  EXPECT_TRUE(refused(FourFrames(), 3)) << "one more than was asked for";
}

TEST(BatchFrames, WhatTheTakerSaysEndsIt) {
  FrameReader reader(4, 100);
  int taken = 0;
  const absl::Status status = reader.Feed(FourFrames(), [&](const Frame&) {
    return ++taken == 2 ? absl::AbortedError("enough") : absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsAborted(status));
  EXPECT_EQ(taken, 2);
}

}  // namespace
}  // namespace waypost::http
