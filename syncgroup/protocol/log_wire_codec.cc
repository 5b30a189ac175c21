#include <string>
#include <string_view>
#include <utility>

#include "base/key_codec.h"
#include "base/status.h"
#include "syncgroup/protocol/log.pb.h"
#include "syncgroup/protocol/log_fields.h"
#include "syncgroup/protocol/log_messages.h"
#include "syncgroup/protocol/wire_codec.h"
#include "syncgroup/protocol/wire_fields.h"

// What two peers say to each other of their logs, to bytes and back. Heads agree with themselves
// here already; whether they are anybody's is for who has the log.

namespace waypost::syncgroup {
namespace {

using namespace fields;

void WritePosition(const LogCursor& cursor, wire::LogPosition& to) {
  to.set_log(IdBytes(cursor.log));
  to.set_sequence(cursor.sequence);
}
absl::Status ReadPosition(const wire::LogPosition& from, LogCursor& out) {
  RETURN_IF_ERROR(ReadId(from.log(), "cursor", out.log));
  if (from.sequence() > kGenerationMax) return Bad("cursor", "the sequence is out of range");
  out.sequence = from.sequence();
  return absl::OkStatus();
}

void WriteAsk(const LogAsk& ask, wire::LogAsk& to) {
  to.set_group(IdBytes(ask.group));
  to.set_digest(IdBytes(ask.digest));
  if (ask.heads_since) WritePosition(*ask.heads_since, *to.mutable_heads_since());
  for (const LogWant& want : ask.wants) {
    wire::LogWant* const out = to.add_wants();
    Write(want.head, *out->mutable_head());
    if (want.after) Write(*want.after, *out->mutable_after());
  }
  for (const LogProbe& probe : ask.probes) {
    wire::LogProbe* const out = to.add_probes();
    Write(probe.head, *out->mutable_head());
    std::string generations;
    for (const uint64_t generation : probe.generations) base::AppendU64(generations, generation);
    out->set_generations(std::move(generations));
  }
  for (const base::EntryHash& act : ask.acts) to.add_acts(IdBytes(act));
}

absl::Status ReadWant(const wire::LogWant& from, LogWant& out) {
  RETURN_IF_ERROR(ReadHead(from.head(), out.head));
  if (!from.has_after()) return absl::OkStatus();
  RETURN_IF_ERROR(ReadHead(from.after(), out.after.emplace()));
  const bool before =
      out.after->numbering == out.head.numbering && out.after->generation < out.head.generation;
  return before ? absl::OkStatus() : Bad("want", "what is here does not stand before the head");
}

absl::Status ReadProbe(const wire::LogProbe& from, LogProbe& out) {
  RETURN_IF_ERROR(ReadHead(from.head(), out.head));
  const std::string_view numbers = from.generations();
  if (numbers.size() % 8 != 0 || numbers.size() / 8 > kProbedAtOnce) {
    return Bad("probe", "its generations are cut, or too many");
  }
  for (std::size_t at = 0; at < numbers.size(); at += 8) {
    const uint64_t generation = base::ReadU64(numbers.substr(at, 8));
    const uint64_t before = out.generations.empty() ? 0 : out.generations.back();
    if (generation <= before || generation > out.head.generation) {
      return Bad("probe", "its generations do not ascend to the head");
    }
    out.generations.push_back(generation);
  }
  return absl::OkStatus();
}

absl::Status ReadAsk(const wire::LogAsk& from, LogAsk& out) {
  RETURN_IF_ERROR(ReadId(from.group(), "group", out.group));
  RETURN_IF_ERROR(ReadId(from.digest(), "digest", out.digest));
  if (from.has_heads_since()) {
    RETURN_IF_ERROR(ReadPosition(from.heads_since(), out.heads_since.emplace()));
  }
  for (const wire::LogWant& want : from.wants()) {
    RETURN_IF_ERROR(ReadWant(want, out.wants.emplace_back()));
  }
  for (const wire::LogProbe& probe : from.probes()) {
    RETURN_IF_ERROR(ReadProbe(probe, out.probes.emplace_back()));
  }
  for (const std::string& act : from.acts()) {
    RETURN_IF_ERROR(ReadId(act, "act", out.acts.emplace_back()));
  }
  return absl::OkStatus();
}

void WriteAnswer(const LogAnswer& answer, wire::LogAnswer& to) {
  to.set_group(IdBytes(answer.group));
  to.set_member(answer.member);
  to.set_digest(IdBytes(answer.digest));
  WriteHeads(answer.heads, *to.mutable_heads());
  if (answer.cursor) WritePosition(*answer.cursor, *to.mutable_cursor());
  to.set_from_beginning(answer.from_beginning);
  to.set_more_heads(answer.more_heads);
  for (const SealedEntry& entry : answer.entries) WriteSealed(entry, to.add_entries());
  to.set_more(answer.more);
  WriteHeads(answer.parted, *to.mutable_parted());
  WriteHeads(answer.gone, *to.mutable_gone());
  for (const std::vector<LogHead>& heads : answer.probed) {
    WriteHeads(heads, *to.add_probed()->mutable_heads());
  }
  WriteHeads(answer.acts, *to.mutable_acts());
  for (const RecoveryPaper& paper : answer.recovery) WritePaper(paper, *to.add_recovery());
}

absl::Status ReadAnswer(const wire::LogAnswer& from, LogAnswer& out) {
  RETURN_IF_ERROR(ReadId(from.group(), "group", out.group));
  out.member = from.member();
  RETURN_IF_ERROR(ReadId(from.digest(), "digest", out.digest));
  RETURN_IF_ERROR(ReadHeads(from.heads(), out.heads));
  if (from.has_cursor()) RETURN_IF_ERROR(ReadPosition(from.cursor(), out.cursor.emplace()));
  out.from_beginning = from.from_beginning();
  out.more_heads = from.more_heads();
  for (const wire::SealedEntry& entry : from.entries()) {
    RETURN_IF_ERROR(ReadSealed(entry, out.entries.emplace_back()));
  }
  out.more = from.more();
  RETURN_IF_ERROR(ReadHeads(from.parted(), out.parted));
  RETURN_IF_ERROR(ReadHeads(from.gone(), out.gone));
  for (const wire::LogProbed& probed : from.probed()) {
    RETURN_IF_ERROR(ReadHeads(probed.heads(), out.probed.emplace_back()));
  }
  RETURN_IF_ERROR(ReadHeads(from.acts(), out.acts));
  for (const wire::RecoveryPaper& paper : from.recovery()) {
    RETURN_IF_ERROR(ReadPaper(paper, out.recovery.emplace_back()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> EncodeLogAsks(const LogAsks& message) {
  wire::LogAsks out;
  for (const LogAsk& ask : message.groups) WriteAsk(ask, *out.add_groups());
  return SerializeUpTo(out, kRequestBytesMax, "request about logs");
}

absl::StatusOr<LogAsks> DecodeLogAsks(std::string_view bytes) {
  wire::LogAsks in;
  RETURN_IF_ERROR(Parse(bytes, kRequestBytesMax, "request about logs", in));
  RETURN_IF_ERROR(CheckGroups(in.groups(), kSyncGroupsMax));
  LogAsks out;
  for (const wire::LogAsk& ask : in.groups()) {
    RETURN_IF_ERROR(ReadAsk(ask, out.groups.emplace_back()));
  }
  return out;
}

absl::StatusOr<std::string> EncodeLogAnswers(const LogAnswers& message) {
  wire::LogAnswers out;
  for (const LogAnswer& answer : message.groups) WriteAnswer(answer, *out.add_groups());
  out.set_more(message.more);
  if (message.now != base::kNever) out.set_now_ms(base::ToMs(message.now));
  return SerializeUpTo(out, kReplyBytesMax, "answer about logs");
}

absl::StatusOr<LogAnswers> DecodeLogAnswers(std::string_view bytes) {
  wire::LogAnswers in;
  RETURN_IF_ERROR(Parse(bytes, kReplyBytesMax, "answer about logs", in));
  RETURN_IF_ERROR(CheckGroups(in.groups(), kSyncGroupsMax));
  LogAnswers out;
  for (const wire::LogAnswer& answer : in.groups()) {
    RETURN_IF_ERROR(ReadAnswer(answer, out.groups.emplace_back()));
  }
  out.more = in.more();
  if (in.now_ms() != 0) RETURN_IF_ERROR(ReadTime(in.now_ms(), "now", out.now));
  return out;
}

}  // namespace waypost::syncgroup
