#include <gtest/gtest.h>

#include <algorithm>
#include <bitset>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "syncgroup/group/access.h"
#include "syncgroup/group/group_writer.h"
#include "tests/fakes/fake_clock.h"
#include "tests/http/node.h"
#include "tests/support/memory_body.h"
#include "tests/support/rounds.h"
#include "tests/syncgroup/neighbours.h"
#include "tests/syncgroup/seed.h"

// Who may read what, against a model that is written down here from what docs/security.md promises
// and shares no code with the product: groups that share members, public ones and such that are
// left; puts, fetches and references that open bytes to groups; what other members say, which opens
// none; named tokens. Peers ask for one blob or many at once, apps by every kind of token.

namespace waypost::http {
namespace {

using base::GroupId;
using syncgroup::Access;
using syncgroup::Authority;
using syncgroup::BlobOf;
using syncgroup::Ledger;
using syncgroup::Neighbours;
using syncgroup::PeerNumber;
using syncgroup::TestNode;

constexpr uint64_t kPeers = 5;      // that are admitted and removed
constexpr uint64_t kStrangers = 2;  // that never are
constexpr std::size_t kContents = 30;
constexpr std::size_t kGroupsMax = 5;  // active ones
constexpr char kApiToken[] = "api-token-of-the-model", kReadToken[] = "read-token-of-the-model";

// ---- the model ----

// Blobs by number, and sets of them.
using Contents = std::bitset<kContents + 1>;

struct Group {
  bool active = true;
  bool is_public = false;
  std::map<uint64_t, Authority> members;
  std::map<std::string, std::size_t> refs;  // key -> content
  Contents mentioned;                       // under some key
  Contents set_here;                        // ... by this peer's app as well
  Contents held;                            // whose bytes are opened to it
  Contents lost;                            // ... and will be again, when they are back

  bool ReadBy(uint64_t peer) const { return active && (is_public || members.contains(peer)); }
  void Set(const std::string& key, std::size_t content) {
    if (const auto old = refs.find(key); old != refs.end() && old->second != content) Unset(key);
    refs[key] = content;
    mentioned.set(content);
  }
  void Unset(const std::string& key) {
    const auto ref = refs.find(key);
    if (ref == refs.end()) return;
    const std::size_t content = ref->second;
    refs.erase(ref);
    mentioned[content] = std::any_of(refs.begin(), refs.end(),
                                     [&](const auto& left) { return left.second == content; });
    set_here[content] = set_here[content] && mentioned[content];
  }
};

struct Token {
  std::string text;
  Right right = Right::kRead;
  bool good = true;
  std::optional<std::set<GroupId>> groups;  // none: the whole peer
};

struct Facts {
  std::map<GroupId, Group> groups;
  Contents here;

  // The bytes are here, whoever brought them.
  void Come(std::size_t content) {
    if (here[content]) return;
    here.set(content);
    for (auto& [group, facts] : groups) {
      facts.held[content] = facts.held[content] || facts.lost[content];
      facts.lost.reset(content);
    }
  }
  void Lose(std::size_t content) {
    if (!here[content]) return;
    here.reset(content);
    for (auto& [group, facts] : groups) {
      facts.lost[content] = facts.held[content];
      facts.held.reset(content);
    }
  }

  bool Sees(const Token& token, const GroupId& group) const {
    const auto found = groups.find(group);
    return found != groups.end() && found->second.active &&
           (!token.groups || token.groups->contains(group));
  }
  bool Reads(const Token& token, std::size_t content) const {
    if (!here[content]) return false;
    if (!token.groups) return true;
    return std::any_of(token.groups->begin(), token.groups->end(), [&](const GroupId& group) {
      return Sees(token, group) && groups.at(group).held[content];
    });
  }
};

// ---- the product, what happens to it, and what it is asked ----

class Examination {
 public:
  explicit Examination(uint64_t seed) : random_(seed) {
    tokens_.push_back({.text = kApiToken, .right = Right::kAdmin});
    tokens_.push_back({.text = kReadToken, .right = Right::kRead});
    tokens_.push_back({.text = "nobody's", .good = false});
    for (int i = 0; i < 3; ++i) Found();
  }

  void Happen() {
    clock_.Advance(base::Millis(2));
    switch (Any(16)) {
      case 0:
        return Found();
      case 1:
        return Any(4) == 0 ? Leave() : Drop();
      case 2:
        return Publish();
      case 3:
      case 4:
        return Admit();
      case 5:
        return Remove();
      case 6:
      case 7:
        return Hear();
      case 8:
        return PutLoose();
      case 9:
      case 10:
        return PutUnderKey();
      case 11:
        return SetReference();
      case 12:
        return DeleteReference();
      case 13:
        return Fetch();
      case 14:
        return Any(3) == 0 ? Damage() : Scan();
      default:
        return ChangeTokens();
    }
  }

  // One peer, about one blob or many at once, under some groups: as many questions as blobs times
  // groups, for each pair is answered by itself.
  void AskAsPeer() {
    const uint64_t caller = 2 + Any(kPeers + kStrangers);
    std::vector<GroupId> groups = Shuffled();
    groups.resize(1 + Any(std::min<std::size_t>(groups.size(), 4)));
    std::vector<std::size_t> contents;
    for (uint64_t left = Any(2) == 0 ? 1 : 20 + Any(60); left > 0; --left) {
      contents.push_back(Content());
    }
    std::vector<base::BlobId> blobs;
    for (const std::size_t content : contents) blobs.push_back(IdOf(content));
    told_no_.clear();
    const auto judged = access_.Judge(PeerNumber(caller), blobs, groups);
    ASSERT_TRUE(judged.ok());
    ASSERT_EQ(judged->verdicts.size(), blobs.size());
    std::vector<base::BlobId> to_hear;
    for (std::size_t i = 0; i < contents.size(); ++i) {
      Compare(caller, contents[i], groups, judged->verdicts[i], to_hear);
      if (testing::Test::HasFatalFailure()) return;
    }
    ASSERT_EQ(told_no_, to_hear);
    asked += contents.size() * groups.size();
  }

  // One call of the app API.
  void AskAsApp() {
    const Token& token = tokens_[Any(tokens_.size())];
    const GroupId group = AnyGroup();
    const std::size_t content = Content();
    ++asked;
    switch (Any(7)) {
      case 0:
      case 1:
        return AskForBlob(token, content);
      case 2:
        return AskForReference(token, group, content);
      case 3:
        return AskForLists(token, group);
      case 4:
        return ExpectStatus(token, Right::kRead, facts_.Sees(token, group) ? 200 : 404,
                            {.method = "GET", .path = PathOf(group)});
      case 5:
        return AskForTheWhole(token);
      default:
        return AskForTooMuch(token, group, content);
    }
  }

  uint64_t asked = 0, granted = 0, elsewhere = 0, served = 0, refused = 0;

 private:
  uint64_t Any(uint64_t n) { return random_() % n; }
  // One of them is never put, and never mentioned.
  std::size_t Content() { return Any(kContents + 1); }
  std::size_t SomeContent() { return Any(kContents); }
  static std::string TextOf(std::size_t content) { return absl::StrCat("content ", content); }
  static const base::BlobId& IdOf(std::size_t content) {
    static const std::vector<base::BlobId> ids = [] {
      std::vector<base::BlobId> all;
      for (std::size_t i = 0; i <= kContents; ++i) all.push_back(BlobOf(TextOf(i)));
      return all;
    }();
    return ids[content];
  }
  static std::string PathOf(const GroupId& group) {
    return absl::StrCat("/v1/groups/", group.ToHex());
  }

  // Any group that ever was, and one that never was.
  std::vector<GroupId> Shuffled() {
    std::vector<GroupId> groups = {*GroupId::FromHex(std::string(64, 'a'))};
    for (const auto& [group, facts] : facts_.groups) {
      if (facts.active || Any(4) == 0) groups.push_back(group);
    }
    std::shuffle(groups.begin(), groups.end(), random_);
    return groups;
  }
  GroupId AnyGroup() { return Shuffled().front(); }
  std::vector<GroupId> Active() const {
    std::vector<GroupId> active;
    for (const auto& [group, facts] : facts_.groups) {
      if (facts.active) active.push_back(group);
    }
    return active;
  }
  // An active one.
  std::pair<GroupId, Group*> Pick() {
    if (Active().empty()) Found();
    const std::vector<GroupId> active = Active();
    const GroupId group = active[Any(active.size())];
    return {group, &facts_.groups[group]};
  }
  std::string OwnKey() { return absl::StrCat("own ", Any(6)); }

  // ---- what happens ----

  void Found() {
    if (Active().size() >= kGroupsMax) return;
    const bool is_public = Any(4) == 0;
    const GroupId group = others_.Create(absl::StrCat("group ", ++founded_), is_public);
    facts_.groups[group].is_public = is_public;
  }
  // Still to be told to its members, and nothing to anybody from now on.
  void Leave() {
    const auto [group, facts] = Pick();
    // The last admin cannot.
    const bool may =
        std::any_of(facts->members.begin(), facts->members.end(),
                    [](const auto& member) { return member.second == Authority::kAdmin; });
    ASSERT_EQ(here_.groups->Leave(group).ok(), may);
    if (!may) return;
    facts->active = false;
    leaving_.push_back(group);
  }
  // What was left is gone for good.
  void Drop() {
    if (leaving_.empty()) return;
    const GroupId group = leaving_.back();
    leaving_.pop_back();
    here_.Update([&](base::WriteTxn& txn) {
      auto row = syncgroup::LoadGroupRow(txn, group);
      if (!row) return;
      row->state = syncgroup::GroupRow::State::kDropping;
      StoreGroupRow(txn, group, *row);
    });
    CHECK(here_.parts.group_work->Finish(group).ok());
  }
  void Publish() {
    const auto [group, facts] = Pick();
    facts->is_public = Any(3) == 0;
    CHECK(here_.groups->ChangeSettings(group, {.is_public = facts->is_public}).ok());
  }
  void Admit() {
    const auto [group, facts] = Pick();
    const uint64_t peer = 2 + Any(kPeers);
    if (facts->members.contains(peer)) return;
    facts->members[peer] = static_cast<Authority>(1 + Any(3));
    others_.Admit(peer, group, facts->members[peer]);
  }
  void Remove() {
    const auto [group, facts] = Pick();
    if (facts->members.empty()) return;
    const auto member =
        std::next(facts->members.begin(), static_cast<std::ptrdiff_t>(Any(facts->members.size())));
    others_.Remove(member->first, group);
    facts->members.erase(member);
  }
  // What members say opens nothing; what readers say counts for nothing.
  void Hear() {
    const auto [group, facts] = Pick();
    if (facts->members.empty()) return;
    const auto member =
        std::next(facts->members.begin(), static_cast<std::ptrdiff_t>(Any(facts->members.size())));
    const std::size_t content = SomeContent();
    const std::string key = Neighbours::KeyOf(member->first, TextOf(content));
    const bool counts = member->second != Authority::kReader;
    if (facts->refs.contains(key) && Any(2) == 0) {
      others_.Forget(member->first, group, TextOf(content));
      if (counts) facts->Unset(key);
    } else {
      others_.Mention(member->first, group, TextOf(content));
      if (counts) facts->Set(key, content);
    }
  }
  void PutLoose() {
    const std::size_t content = SomeContent();
    CHECK(here_.Put(TextOf(content)).ok());
    Put(content);
  }
  void PutUnderKey() {
    const auto [group, facts] = Pick();
    const std::size_t content = SomeContent();
    const std::string key = OwnKey();
    CHECK(here_.Put(TextOf(content), syncgroup::Refs::Target{group, key}).ok());
    Put(content);
    facts->held.set(content);
    facts->Set(key, content);
    facts->set_here.set(content);
  }
  // Bytes from this peer's app are for every group where it has set a reference.
  void Put(std::size_t content) {
    facts_.Come(content);
    for (auto& [group, facts] : facts_.groups) {
      if (facts.set_here[content]) facts.held.set(content);
    }
  }
  void SetReference() {
    const auto [group, facts] = Pick();
    const std::size_t content = SomeContent();
    const std::string key = OwnKey();
    // By a token, which opens no more than it could read, or by one that sees everything.
    const Token& token = tokens_[Any(tokens_.size())];
    int expected = 404;
    if (!token.good) {
      expected = 401;
    } else if (token.right < Right::kWrite) {
      expected = 403;
    } else if (facts_.Sees(token, group) && (!token.groups || facts_.Reads(token, content))) {
      expected = 200;
    }
    ASSERT_EQ(Call(token, {.method = "PUT", .path = absl::StrCat(PathOf(group), "/refs/", key)},
                   absl::StrCat("{\"blob\":\"", IdOf(content).ToHex(), "\"}"))
                  .status,
              expected);
    if (expected != 200) return;
    facts->Set(key, content);
    facts->set_here.set(content);
    if (facts_.here[content]) facts->held.set(content);
  }
  void DeleteReference() {
    const auto [group, facts] = Pick();
    const std::string key = OwnKey();
    const bool there = facts->refs.contains(key);
    CHECK(here_.refs->Change(group, {{key, std::nullopt}}).ok() == there);
    facts->Unset(key);
  }
  void Arrive(std::size_t content, const Ledger::Arrival& arrival) {
    const auto staged = here_.Stage(TextOf(content));
    CHECK(staged.ok());
    here_.Update(
        [&](base::WriteTxn& txn) { here_.ledger->Arrive(txn, *here_.blobs, *staged, arrival); });
  }
  // Under the groups in which its source has them, as far as these mention them.
  void Fetch() {
    const std::size_t content = SomeContent();
    std::vector<GroupId> under = Shuffled();
    under.resize(1 + Any(under.size()));
    Arrive(content,
           Ledger::ByFetch{
               .source = PeerNumber(2 + Any(kPeers)), .granted = under, .when = clock_.WallNow()});
    for (const GroupId& group : under) {
      const auto found = facts_.groups.find(group);
      if (found == facts_.groups.end() || !found->second.active) continue;
      if (!found->second.mentioned[content]) continue;
      facts_.Come(content);
      found->second.held.set(content);
    }
  }
  // Bytes that nobody vouches for.
  void Scan() {
    const std::size_t content = SomeContent();
    Arrive(content, Ledger::ByScan{});
    facts_.Come(content);
  }
  void Damage() {
    const std::size_t content = SomeContent();
    here_.Update([&](base::WriteTxn& txn) { here_.ledger->Lose(txn, IdOf(content)); });
    facts_.Lose(content);
  }
  void ChangeTokens() {
    const Token& api = tokens_.front();
    if (tokens_.size() > 12 || (tokens_.size() > 6 && Any(2) == 0)) {
      Token& gone = tokens_[3 + Any(tokens_.size() - 3)];
      const int status = Call(api, {.method = "DELETE", .path = NameOf(gone)}).status;
      ASSERT_EQ(status, gone.good ? 204 : 404);
      gone.good = false;
      // A few stay to be tried in vain.
      if (tokens_.size() > 12) {
        names_.erase(gone.text);
        std::swap(gone, tokens_.back());
        tokens_.pop_back();
      }
      return;
    }
    Token made{.right = static_cast<Right>(static_cast<int>(Right::kRead) + Any(3))};
    Json body = {{"name", absl::StrCat("t", ++named_)}, {"rights", RightName(made.right)}};
    const std::vector<GroupId> active = Active();
    if (Any(4) != 0 && !active.empty()) {
      made.groups.emplace();
      for (const GroupId& group : active) {
        if (Any(3) == 0) made.groups->insert(group);
      }
      made.groups->insert(active[Any(active.size())]);
      body["groups"] = Json::array();
      for (const GroupId& group : *made.groups) body["groups"].push_back(group.ToHex());
    }
    const Response response = Call(api, {.method = "POST", .path = "/v1/tokens"}, body.dump());
    ASSERT_EQ(response.status, 201);
    made.text = Json::parse(std::get<std::string>(response.body)).value("token", "");
    names_[made.text] = body["name"];
    tokens_.push_back(made);
  }
  std::string NameOf(const Token& token) { return "/v1/tokens/" + names_.at(token.text); }

  // ---- what is asked ----

  void Compare(uint64_t caller, std::size_t content, const std::vector<GroupId>& asked_under,
               const Access::Verdict& verdict, std::vector<base::BlobId>& to_hear) {
    std::vector<GroupId> opened;
    bool may_wait = false;
    for (const GroupId& group : asked_under) {
      const auto found = facts_.groups.find(group);
      if (found == facts_.groups.end() || !found->second.ReadBy(caller)) continue;
      if (found->second.held[content]) opened.push_back(group);
      may_wait |= found->second.mentioned[content];
    }
    if (!opened.empty()) {
      ASSERT_EQ(verdict.kind, Access::Verdict::Kind::kGranted) << content;
      ASSERT_EQ(verdict.granted, opened) << content;
      ASSERT_EQ(verdict.size_bytes, TextOf(content).size());
      ++granted;
      return;
    }
    // Missing, forbidden and never heard of are one.
    ASSERT_EQ(verdict.kind, Access::Verdict::Kind::kElsewhere) << content;
    ASSERT_TRUE(verdict.granted.empty());
    ASSERT_EQ(verdict.size_bytes, 0u);
    if (may_wait) to_hear.push_back(IdOf(content));
    std::vector<GroupId> shown;
    bool hidden = false;
    for (const auto& [group, facts] : facts_.groups) {
      if (!facts.mentioned[content]) continue;
      if (facts.ReadBy(caller)) {
        shown.push_back(group);
      } else {
        hidden |= facts.active;
      }
    }
    ASSERT_EQ(verdict.elsewhere.groups, shown);
    for (const auto& each : verdict.elsewhere.locations) {
      const base::PeerId& peer = each.first;
      ASSERT_NE(peer, PeerNumber(caller));
      const bool told = std::any_of(shown.begin(), shown.end(), [&](const GroupId& group) {
        const auto& members = facts_.groups.at(group).members;
        return std::any_of(members.begin(), members.end(),
                           [&](const auto& member) { return PeerNumber(member.first) == peer; });
      });
      ASSERT_TRUE(told || (peer == here_.self && each.second.is_proxy));
    }
    if (shown.empty() || hidden) {
      ASSERT_FALSE(verdict.elsewhere.size_hint_bytes.has_value());
    }
    ++elsewhere;
  }

  Response Call(const Token& token, Request request, const std::string& body = "") {
    // Each from another network: wrong tokens of one are slowed down.
    ++calls_;
    request.remote_address =
        absl::StrCat("10.", calls_ >> 16 & 255, ".", calls_ >> 8 & 255, ".", calls_ & 255);
    request.headers = {{"host", "localhost"}, {"authorization", "Bearer " + token.text}};
    support::MemoryBody source(body);
    if (request.method != "GET" && request.method != "DELETE") request.body = &source;
    return api_.Handle(request);
  }
  // `seen`: for a token that stands and has the right.
  int Expected(const Token& token, Right right, int seen) {
    const int expected = !token.good ? 401 : token.right < right ? 403 : seen;
    ++(expected == 200 ? served : refused);
    return expected;
  }
  void ExpectStatus(const Token& token, Right right, int seen, Request request,
                    const std::string& body = "") {
    const std::string what = request.method + " " + request.path;
    ASSERT_EQ(Call(token, std::move(request), body).status, Expected(token, right, seen)) << what;
  }
  // Nothing is fetched for whoever asks so.
  void AskForNow(const Token& token, Request& request) {
    if (token.right > Right::kRead || Any(2) == 0) request.query.emplace_back("fetch", "never");
  }
  void ExpectBytes(const Token& token, bool seen, Request request, std::size_t content) {
    AskForNow(token, request);
    const std::string what = request.method + " " + request.path;
    const int expected = Expected(token, Right::kRead, seen ? 200 : 404);
    const bool bodiless = request.method == "HEAD";
    const Response response = Call(token, std::move(request));
    ASSERT_EQ(response.status, expected) << what << " for " << content;
    if (expected != 200 || bodiless) return;
    const auto* part = std::get_if<SourcePart>(&response.body);
    ASSERT_NE(part, nullptr);
    ASSERT_EQ(part->source->in_memory(), TextOf(content));
  }
  void AskForBlob(const Token& token, std::size_t content) {
    ExpectBytes(token, facts_.Reads(token, content),
                {.method = Any(4) == 0 ? "HEAD" : "GET",
                 .path = absl::StrCat("/v1/blobs/", IdOf(content).ToHex())},
                content);
  }
  void AskForReference(const Token& token, const GroupId& group, std::size_t content) {
    const std::string key =
        Any(2) == 0 ? OwnKey() : Neighbours::KeyOf(2 + Any(kPeers), TextOf(content));
    std::optional<std::size_t> there;
    if (facts_.Sees(token, group)) {
      const auto& refs = facts_.groups.at(group).refs;
      if (const auto ref = refs.find(key); ref != refs.end()) there = ref->second;
    }
    Request request{.method = "GET", .path = absl::StrCat(PathOf(group), "/refs/", key)};
    if (Any(2) == 0) {
      request.query.emplace_back("content", "");
      return ExpectBytes(token, there && facts_.Reads(token, *there), std::move(request),
                         there.value_or(0));
    }
    const int expected = Expected(token, Right::kRead, there ? 200 : 404);
    const Response response = Call(token, std::move(request));
    ASSERT_EQ(response.status, expected) << key;
    if (expected != 200) return;
    ASSERT_EQ(Json::parse(std::get<std::string>(response.body)).value("blob", ""),
              IdOf(*there).ToHex());
  }
  // The blobs that a group holds, or its keys: all of them, and no others.
  void AskForLists(const Token& token, const GroupId& group) {
    const bool keys = Any(2) == 0;
    Request request{.method = "GET", .path = keys ? PathOf(group) + "/refs" : "/v1/blobs"};
    request.query.emplace_back("limit", "1000");
    if (!keys) request.query.emplace_back("group", group.ToHex());
    const bool seen = facts_.Sees(token, group);
    const int expected = Expected(token, Right::kRead, seen ? 200 : 404);
    const Response response = Call(token, std::move(request));
    ASSERT_EQ(response.status, expected);
    if (expected != 200) return;
    std::set<std::string> listed, wanted;
    const Json answer = Json::parse(std::get<std::string>(response.body));
    for (const Json& item : answer["items"]) listed.insert(item.value(keys ? "key" : "id", ""));
    const Group& facts = facts_.groups.at(group);
    for (const auto& ref : facts.refs) {
      if (keys) wanted.insert(ref.first);
    }
    for (std::size_t content = 0; content < kContents; ++content) {
      if (!keys && facts.held[content]) wanted.insert(IdOf(content).ToHex());
    }
    ASSERT_EQ(listed, wanted);
  }
  // What is about this peer as a whole.
  void AskForTheWhole(const Token& token) {
    const bool administers = Any(2) == 0;
    ExpectStatus(token, administers ? Right::kAdmin : Right::kRead, token.groups ? 404 : 200,
                 {.method = "GET", .path = administers ? "/v1/tokens" : "/v1/config"});
  }
  // What would change something, where it must not.
  void AskForTooMuch(const Token& token, const GroupId& group, std::size_t content) {
    const bool sees = facts_.Sees(token, group);
    if (Any(2) == 0) {
      if (sees && token.right >= Right::kAdmin) return;
      return ExpectStatus(
          token, Right::kAdmin, 404,
          {.method = "DELETE",
           .path = absl::StrCat(PathOf(group), "/members/", PeerNumber(2 + Any(kPeers)).ToHex())});
    }
    if (sees && (!token.groups || facts_.Reads(token, content))) return;
    ExpectStatus(token, Right::kWrite, 404,
                 {.method = "PUT", .path = absl::StrCat(PathOf(group), "/refs/guess")},
                 absl::StrCat("{\"blob\":\"", IdOf(content).ToHex(), "\"}"));
  }

  std::mt19937_64 random_;
  syncgroup::TempDir dir_;
  base::FakeClock clock_;
  TestNode here_{PeerNumber(1), dir_.path(), clock_};
  Neighbours others_{here_};
  std::vector<base::BlobId> told_no_;
  Access access_{{.core = *here_.parts.group_core,
                  .guesses = {.per_minute = 1'000'000'000, .takes = std::chrono::microseconds(0)},
                  .told_no = [this](const base::PeerId&, const std::vector<base::BlobId>& blobs,
                                    const std::vector<GroupId>&) { told_no_ = blobs; }}};
  FakeSettings settings_;
  AllowedSites sites_;
  AppApi api_{{.index = *here_.index,
               .blobs = *here_.blobs,
               .ledger = *here_.ledger,
               .groups = *here_.groups,
               .refs = *here_.refs,
               .invites = *here_.invites,
               .syncer = *here_.parts.syncer,
               .client = here_.silent,
               .peers = *here_.peers,
               .fetcher = *here_.parts.fetcher,
               .report = *here_.parts.report,
               .scanner = *here_.parts.scanner,
               .completeness = *here_.parts.completeness,
               .settings = settings_,
               .sites = sites_,
               .events = here_.events,
               .metrics = here_.parts.metrics,
               .clock = clock_},
              {.name = "here",
               .peer = here_.self,
               .tokens = {.api = kApiToken, .read = kReadToken},
               .bound_hosts = [] { return std::vector<std::string>(); },
               .addresses = [] { return std::vector<std::string>(); }}};

  Facts facts_;
  std::vector<Token> tokens_;
  std::map<std::string, std::string> names_;  // of named tokens, by text
  std::vector<GroupId> leaving_;
  uint64_t founded_ = 0, named_ = 0, calls_ = 0;
};

TEST(AccessModel, OfAMillionQuestionsEachIsAnsweredAsItSays) {
  const uint64_t questions = support::Rounds(1'000'000);
  const uint64_t seed = syncgroup::TestSeed();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  uint64_t asked = 0, granted = 0, elsewhere = 0, served = 0, refused = 0;
  for (uint64_t world = 0; asked < questions; ++world) {
    Examination examination(seed + world);
    for (int turn = 0; turn < 2'000 && asked + examination.asked < questions; ++turn) {
      if (turn % 4 == 0 || turn < 60) examination.Happen();
      examination.AskAsPeer();
      for (int i = 0; i < 4; ++i) examination.AskAsApp();
      if (testing::Test::HasFatalFailure()) return;
    }
    asked += examination.asked;
    granted += examination.granted;
    elsewhere += examination.elsewhere;
    served += examination.served;
    refused += examination.refused;
  }
  EXPECT_GT(granted, asked / 50);
  EXPECT_GT(elsewhere, asked / 50);
  EXPECT_GT(served, asked / 200);
  EXPECT_GT(refused, asked / 200);
}

}  // namespace
}  // namespace waypost::http
