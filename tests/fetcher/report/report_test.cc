#include "fetcher/report/report.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/fakes/gate.h"
#include "tests/fetcher/rig.h"

namespace waypost::fetcher {
namespace {

using base::BlobId;
using base::Millis;
using base::PeerId;
using base::Sha256;
using Kind = BlobReply::Kind;

TEST(Report, HowTheBlobsOfOneGroupWaitIsCountedApart) {
  base::Gate gate;  // before the rig, whose workers pass it until they have ended
  Rig rig;
  const auto create = [&](const std::string& name) {
    const auto info = rig.groups->Create({.name = name, .role = syncgroup::Role::kServer});
    CHECK(info.ok());
    return info->id;
  };
  const base::GroupId second = create("second"), third = create("third"), empty = create("empty");
  const PeerId away = rig.AddPeer(1, FakeBlobClient::Fails(Kind::kUnreachable));
  rig.AddMember(second, away);
  const PeerId slow = rig.AddPeerTo(third, 2, [&](const BlobRequest&, BlobSink&, std::stop_token) {
    gate.Pass();
    return BlobReply{.kind = Kind::kUnreachable};
  });
  for (const std::string name : {"parked", "parked for two", "stopped"}) {
    rig.Mention(Sha256::Of(name), {away});
  }
  rig.MentionIn(second, Sha256::Of("parked for two"), {away});
  rig.MentionIn(third, Sha256::Of("fetching"), {slow});
  ASSERT_TRUE(rig.fetcher->Stop(Sha256::Of("stopped")).ok());
  rig.Start();
  gate.AwaitArrivals(1);
  EXPECT_TRUE(rig.AtOnce([&] { return rig.report->CountStatesIn(rig.group).parked == 2; }));

  const auto of_first = rig.report->CountStatesIn(rig.group);
  EXPECT_EQ(of_first.fetching, 0u);
  EXPECT_EQ(of_first.stopped, 1u);
  EXPECT_EQ(of_first.due + of_first.waiting, 0u);
  EXPECT_EQ(of_first.oldest_wanted, rig.Record(Sha256::Of("parked")).signpost->wanted_since);
  const auto of_second = rig.report->CountStatesIn(second);
  EXPECT_EQ(of_second.parked, 1u);
  EXPECT_EQ(of_second.fetching + of_second.stopped, 0u);
  const auto of_third = rig.report->CountStatesIn(third);
  EXPECT_EQ(of_third.fetching, 1u);
  EXPECT_EQ(of_third.parked + of_third.stopped, 0u);
  const auto none = rig.report->CountStatesIn(empty);
  EXPECT_EQ(none.fetching + none.parked + none.stopped, 0u);
  EXPECT_FALSE(none.oldest_wanted.has_value());
  gate.Open();
}

TEST(Report, WhyNamesTheWholeChain) {
  Rig rig;
  const BlobId blob = Sha256::Of("a small blob");
  const PeerId peer = rig.AddPeer(1, FakeBlobClient::Fails(Kind::kUnreachable));
  rig.Start();
  rig.Mention(blob, {peer});
  ASSERT_TRUE(
      rig.AtOnce([&] { return rig.fetcher->State(blob).blocked_by == Obstacle::kPeerCoolDown; }));
  const auto steps = rig.report->Why(blob);
  ASSERT_TRUE(steps.ok());
  std::vector<std::string> names;
  for (const WhyStep& step : *steps) names.push_back(WhyStepName(step.kind) + ("=" + step.verdict));
  EXPECT_EQ(names, (std::vector<std::string>{"mentioned=yes", "role=server", "holding=wanted",
                                             "bytes=missing", "location=cooling",
                                             "blocked=peer_cool_down", "next_attempt=at"}));
  const auto unknown = rig.report->Why(Sha256::Of("unknown"));
  ASSERT_TRUE(unknown.ok());
  EXPECT_EQ(unknown->front().verdict, "no");
}

// Blobs that wait at a peer that is away, "0" to "N-1", none of which has been tried.
void MentionMany(Rig& rig, int count) {
  const PeerId away = rig.AddPeer(1, FakeBlobClient::Fails(Kind::kUnreachable));
  for (int i = 0; i < count; ++i) rig.Mention(Sha256::Of(std::to_string(i)), {away});
}

TEST(Report, TheSignpostIsAsItIsStored) {
  Rig rig;
  const BlobId blob = Sha256::Of("a small blob");
  const auto unknown = rig.report->SignpostOf(blob);
  ASSERT_TRUE(unknown.ok()) << unknown.status();
  EXPECT_FALSE(unknown->has_value());
  const PeerId peer = rig.AddPeer(1, FakeBlobClient::Fails(Kind::kUnreachable));
  rig.Mention(blob, {peer});
  const auto known = rig.report->SignpostOf(blob);
  ASSERT_TRUE(known.ok() && known->has_value()) << known.status();
  EXPECT_TRUE((*known)->locations.contains(peer));
}

TEST(Report, PagesOfWhatIsWantedNameEachBlobOnceAndStoppedOnesLast) {
  Rig rig;
  MentionMany(rig, 7);
  for (const std::string name : {"2", "5"}) ASSERT_TRUE(rig.fetcher->Stop(Sha256::Of(name)).ok());
  std::set<BlobId> seen;
  std::vector<WaitState> states;
  std::string cursor;
  int pages = 0;
  do {
    const auto page = rig.report->Wanted({}, cursor, 2);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_LE(page->items.size(), 2u);
    for (const WantedItem& item : page->items) {
      EXPECT_TRUE(seen.insert(item.blob).second);
      states.push_back(item.state);
    }
    cursor = page->next;
    ++pages;
  } while (!cursor.empty());
  EXPECT_EQ(pages, 4);
  std::vector<WaitState> expected(5, WaitState::kDue);
  expected.resize(7, WaitState::kStopped);
  EXPECT_EQ(states, expected);
}

TEST(Report, WantedListsOnlyTheStateAndTheGroupThatWereAskedFor) {
  Rig rig;
  MentionMany(rig, 4);
  ASSERT_TRUE(rig.fetcher->Stop(Sha256::Of("1")).ok());
  const auto count = [&](const Report::WantedFilter& filter) {
    const auto page = rig.report->Wanted(filter, "", 100);
    CHECK(page.ok());
    return page->items.size();
  };
  EXPECT_EQ(count({.state = WaitState::kStopped, .group = {}}), 1u);
  EXPECT_EQ(count({.state = WaitState::kDue, .group = rig.group}), 3u);
  EXPECT_EQ(count({.state = WaitState::kParked, .group = {}}), 0u);
  EXPECT_EQ(count({.state = {}, .group = base::GroupId()}), 0u);
}

TEST(Report, ACursorThatNoPageGaveIsRefused) {
  Rig rig;
  for (const std::string cursor : {"d", "x", "dshort", "sshort", "nonsense"}) {
    EXPECT_EQ(rig.report->Wanted({}, cursor, 10).status().code(),
              absl::StatusCode::kInvalidArgument)
        << cursor;
  }
}

TEST(Report, GaugesSayHowWhatIsWantedWaits) {
  Rig rig;
  MentionMany(rig, 3);
  ASSERT_TRUE(rig.fetcher->Stop(Sha256::Of("1")).ok());
  rig.Start();
  // The oldest is looked for by the starter, every few seconds.
  ASSERT_TRUE(rig.Within(Millis(10000), [&] {
    const Report::StateCounts counts = rig.report->CountStates();
    return counts.parked == 2 && counts.fetching == 0 && counts.oldest_wanted;
  }));
  std::string text = rig.metrics->Render();
  EXPECT_NE(text.find("waypost_wanted{state=\"parked\"} 2\n"), std::string::npos) << text;
  EXPECT_NE(text.find("waypost_wanted{state=\"stopped\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("waypost_wanted{state=\"due\"} 0\n"), std::string::npos);
  EXPECT_NE(text.find("waypost_fetch_in_flight 0\n"), std::string::npos);
  // By then a cool-down may have ended, and what is parked may be due.
  rig.clock.Advance(Millis(1500));
  text = rig.metrics->Render();
  EXPECT_EQ(text.find("waypost_oldest_wanted_seconds 0\n"), std::string::npos) << text;
}

TEST(Report, WhatIsBeyondTheWindowIsCountedAsItsRunWaits) {
  Rig rig;
  MentionMany(rig, 3);
  // Nothing is in memory before the start, but for what was told of.
  rig.Close();
  rig.Open();
  const Report::StateCounts counts = rig.report->CountStates();
  EXPECT_EQ(counts.due + counts.waiting + counts.parked, 3u) << "by the table's own count";
}

TEST(Report, WhySaysWhoHoldsWhatAndThatNobodyAsksForIt) {
  Rig rig;
  const PeerId holder = rig.AddPeer(1, FakeBlobClient::Sends("here"));
  rig.Mention(Sha256::Of("here"), {holder});
  rig.Start();
  ASSERT_TRUE(rig.AtOnce([&] { return rig.Held(Sha256::Of("here")); }));
  const auto steps = rig.report->Why(Sha256::Of("here"));
  ASSERT_TRUE(steps.ok());
  std::vector<std::string> names;
  for (const WhyStep& step : *steps) names.push_back(WhyStepName(step.kind) + ("=" + step.verdict));
  EXPECT_EQ(names, (std::vector<std::string>{"mentioned=yes", "role=server", "holding=held",
                                             "bytes=held", "location=usable"}));
}

}  // namespace
}  // namespace waypost::fetcher
