#include "http/message/media_type.h"

#include <gtest/gtest.h>

#include <string>

namespace waypost::http {
namespace {

TEST(MediaTypeTest, IsThatOfTheEnding) {
  struct {
    const char* name;
    const char* type;
  } cases[] = {
      {"photos/2024/a.jpg", "image/jpeg"},
      {"A.JPeG", "image/jpeg"},
      {"7.7z", "application/x-7z-compressed"},
      {"a.tar.zst", "application/zstd"},
      {"page.html", "text/html; charset=utf-8"},
      {"notes.txt", "text/plain; charset=utf-8"},
      {"film.mp4", "video/mp4"},
      {"README", "application/octet-stream"},
      {".png", "application/octet-stream"},
      {"dir.png/file", "application/octet-stream"},
      {"a.", "application/octet-stream"},
      {"a.unheard-of", "application/octet-stream"},
      {"", "application/octet-stream"},
  };
  for (const auto& c : cases) EXPECT_EQ(MediaTypeOf(c.name), c.type) << c.name;
}

TEST(DispositionTest, NamesTheFileWhateverItsKey) {
  EXPECT_EQ(DispositionOf("photos/a b.jpg", false),
            "inline; filename=\"a b.jpg\"; filename*=UTF-8''a%20b.jpg");
  EXPECT_EQ(DispositionOf("x/\"q\\%.txt", true),
            "attachment; filename=\"_q__.txt\"; filename*=UTF-8''%22q%5C%25.txt");
  EXPECT_EQ(DispositionOf("\xC3\xA4.md", true),
            "attachment; filename=\"__.md\"; filename*=UTF-8''%C3%A4.md");
  EXPECT_EQ(DispositionOf("folder/", true), "attachment; filename=\"file\"; filename*=UTF-8''file");
}

}  // namespace
}  // namespace waypost::http
