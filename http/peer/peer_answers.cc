#include "http/peer/peer_answers.h"

#include <algorithm>
#include <string_view>

#include "base/key_codec.h"
#include "base/status.h"
#include "base/utf8.h"
#include "http/message/errors.h"
#include "http/message/text.h"
#include "syncgroup/protocol/messages.h"
#include "syncgroup/protocol/wire_codec.h"

// An answer is another peer's word: whatever is in it, nothing here fails but by saying so, and
// what is kept of it is bounded.

namespace waypost::http {
namespace {

// What is honoured of a Retry-After at most is the fetcher's business; this only keeps numbers
// sane.
constexpr base::Millis kRetryAfterMax{24 * 3600 * 1000};

std::optional<base::Millis> RetryAfterIn(const ResponseHead& head) {
  const auto header = head.Header("retry-after");
  if (!header) return std::nullopt;
  const auto seconds = ParseDecimal(*header);
  if (!seconds) return std::nullopt;
  return base::Millis(static_cast<int64_t>(
      std::min<uint64_t>(*seconds * 1000, static_cast<uint64_t>(kRetryAfterMax.count()))));
}

}  // namespace

absl::Status ErrorIn(const ResponseHead& head, const std::string& body) {
  absl::Status status = StatusOf(head.status, body, base::kMessageBytesMax);
  // Whatever goes wrong over there is, from here, a peer that cannot answer now.
  if (head.status >= 500) status = absl::UnavailableError(status.message());
  if (const auto retry_after = RetryAfterIn(head))
    status = base::WithRetryAfter(status, *retry_after);
  return status;
}

std::vector<base::GroupId> GroupsIn(const ResponseHead& head) {
  std::vector<base::GroupId> groups;
  const auto header = head.Header("waypost-groups");
  if (!header) return groups;
  std::string_view rest = *header;
  while (!rest.empty() && groups.size() < syncgroup::kReadGroupsMax) {
    const std::size_t comma = rest.find(',');
    if (const auto group = base::GroupId::FromHex(TrimSpaces(rest.substr(0, comma)))) {
      groups.push_back(*group);
    }
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return groups;
}

std::optional<fetcher::BatchItem> ItemIn(const Frame& frame,
                                         const std::vector<base::GroupId>& groups) {
  using ItemKind = fetcher::BatchItem::Kind;
  fetcher::BatchItem item;
  switch (frame.kind) {
    case FrameKind::kBlob:
      item.kind = ItemKind::kBlob;
      item.bytes = frame.body;
      for (std::size_t i = 0; i < groups.size() && i < syncgroup::kReadGroupsMax; ++i) {
        if ((frame.grants >> i & 1) != 0) item.granted.push_back(groups[i]);
      }
      return item;
    case FrameKind::kMiss: {
      item.kind = ItemKind::kMiss;
      auto miss = syncgroup::DecodeElsewhere(frame.body);
      if (!miss.ok()) return std::nullopt;
      item.miss = *std::move(miss);
      return item;
    }
    case FrameKind::kLeftOut:
      if (!frame.body.empty()) item.size_bytes = base::ReadU64(frame.body);
      return item;
  }
  return std::nullopt;
}

}  // namespace waypost::http
