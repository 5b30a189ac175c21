// References as apps see them: their bytes under a key.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/sha256.h"
#include "tests/http/node.h"

namespace waypost::http {
namespace {

class RefsTest : public testing::Test {
 protected:
  RefsTest() {
    const std::string group = node_.Call("POST", "/v1/groups", "{\"name\":\"g\"}")["id"];
    refs_ = "/v1/groups/" + group + "/refs";
    puts_ = "/v1/blobs?group=" + group + "&key=";
  }
  static std::string IdOf(const std::string& content) { return base::Sha256::Of(content).ToHex(); }
  static std::string TagOf(const std::string& content) { return "\"" + IdOf(content) + "\""; }
  void Put(const std::string& key, const std::string& content) {
    node_.Call("POST", puts_ + key, content);
  }
  AppClient::Reply Send(AppClient::Call call) {
    AppClient client = node_.Client();
    auto reply = client.Send(call);
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? *reply : AppClient::Reply();
  }
  AppClient::Reply Get(const std::string& target,
                       std::vector<std::pair<std::string, std::string>> headers = {}) {
    return Send({.target = target, .headers = std::move(headers)});
  }

  Node node_;
  std::string refs_, puts_;
};

TEST_F(RefsTest, ACacheAsksEachTimeForTheBytesUnderAKey) {
  Put("a", "one");
  const auto first = Get(refs_ + "/a?content");
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.body, "one");
  EXPECT_EQ(first.Header("cache-control"), "no-cache");
  EXPECT_EQ(first.Header("etag"), TagOf("one"));
  const auto known = Get(refs_ + "/a?content", {{"If-None-Match", TagOf("one")}});
  EXPECT_EQ(known.status, 304);
  EXPECT_EQ(known.Header("cache-control"), "no-cache");
  Put("a", "two");
  const auto changed = Get(refs_ + "/a?content", {{"If-None-Match", TagOf("one")}});
  EXPECT_EQ(changed.status, 200);
  EXPECT_EQ(changed.body, "two");
  // Under its id a blob never changes.
  EXPECT_EQ(Get("/v1/blobs/" + IdOf("two")).Header("cache-control"),
            "private, max-age=31536000, immutable");
}

TEST_F(RefsTest, AKeySaysWhatItsBytesAre) {
  Put("photos/a%20b.JPG", "picture");
  const auto shown = Get(refs_ + "/photos/a%20b.JPG?content");
  EXPECT_EQ(shown.Header("content-type"), "image/jpeg");
  EXPECT_EQ(shown.Header("content-disposition"),
            "inline; filename=\"a b.JPG\"; filename*=UTF-8''a%20b.JPG");
  EXPECT_EQ(shown.Header("x-content-type-options"), "nosniff");
  EXPECT_EQ(shown.Header("content-security-policy"), "sandbox");
  const auto saved = Get(refs_ + "/photos/a%20b.JPG?content&download", {{"Range", "bytes=0-2"}});
  EXPECT_EQ(saved.status, 206);
  EXPECT_EQ(saved.Header("content-type"), "image/jpeg");
  EXPECT_EQ(saved.Header("content-disposition"),
            "attachment; filename=\"a b.JPG\"; filename*=UTF-8''a%20b.JPG");
  EXPECT_EQ(Get(refs_ + "/photos/a%20b.JPG?download").status, 400);
  const auto by_id = Get("/v1/blobs/" + IdOf("picture"));
  EXPECT_EQ(by_id.Header("content-type"), "application/octet-stream");
  EXPECT_FALSE(by_id.Header("content-disposition"));
}

TEST_F(RefsTest, AListShowsFoldersAndNotWhatIsInThem) {
  for (const char* key : {"a", "b/1", "b/2", "b/c/3", "b0", "d/%C3%BF", "d/x", "e", "gone/x"}) {
    Put(key, "x");
  }
  EXPECT_EQ(node_.Status("DELETE", refs_ + "/gone/x"), 204);
  const auto list = [&](const std::string& query, std::size_t limit) {
    std::vector<std::string> seen;
    std::string cursor;
    for (int pages = 0; pages < 20; ++pages) {
      const Json page = node_.Call("GET", refs_ + "?delimiter=/&limit=" + std::to_string(limit) +
                                              query + (cursor.empty() ? "" : "&cursor=" + cursor));
      std::vector<std::string> here;
      for (const Json& item : page["items"]) here.push_back(item["key"]);
      for (const Json& prefix : page["prefixes"]) here.push_back(prefix);
      EXPECT_LE(here.size(), limit);
      std::sort(here.begin(), here.end());
      seen.insert(seen.end(), here.begin(), here.end());
      if (page["next"].is_null()) return seen;
      cursor = page["next"];
    }
    ADD_FAILURE() << "no end";
    return seen;
  };
  for (const std::size_t limit :
       {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{100}}) {
    EXPECT_EQ(list("", limit), (std::vector<std::string>{"a", "b/", "b0", "d/", "e"})) << limit;
    EXPECT_EQ(list("&prefix=b/", limit), (std::vector<std::string>{"b/1", "b/2", "b/c/"})) << limit;
    EXPECT_EQ(list("&prefix=b", limit), (std::vector<std::string>{"b/", "b0"})) << limit;
    EXPECT_EQ(list("&prefix=zzz", limit), std::vector<std::string>()) << limit;
  }
  EXPECT_EQ(Get(refs_ + "?delimiter=.").status, 400);
  EXPECT_FALSE(node_.Call("GET", refs_).contains("prefixes"));
}

TEST_F(RefsTest, AThousandAreChangedInOneCallAndNotOneMore) {
  Put("first", "x");
  const auto change = [&](int puts, int deletes) {
    Json body = {{"put", Json::array()}, {"delete", Json::array()}};
    for (int i = 0; i < puts; ++i) {
      body["put"].push_back({{"key", std::to_string(i)}, {"blob", IdOf("x")}});
    }
    for (int i = 0; i < deletes; ++i)
      body["delete"].push_back(i == 0 ? "first" : std::to_string(i));
    return Send({.method = "POST", .target = refs_ + ":batch", .body = body.dump()});
  };
  for (const auto& [puts, deletes] : {std::pair(1001, 0), {0, 1001}, {999, 2}}) {
    const auto refused = change(puts, deletes);
    EXPECT_EQ(refused.status, 400) << puts << " and " << deletes;
    EXPECT_NE(refused.body.find("at most 1000 changes"), std::string::npos) << refused.body;
  }
  EXPECT_EQ(Get(refs_ + "/0").status, 404) << "nothing of it was done";
  EXPECT_EQ(change(999, 1).status, 200);
  EXPECT_EQ(Get(refs_ + "/998").status, 200);
}

TEST_F(RefsTest, AChangeIsMadeOnlyOnItsCondition) {
  const std::string one = TagOf("one"), two = TagOf("two");
  struct {
    const char* name;
    const char* method;
    std::string before;  // what is under the key; empty: nothing
    std::pair<std::string, std::string> header;
    int status;
  } cases[] = {
      {"absent, wanted absent", "PUT", "", {"If-None-Match", "*"}, 200},
      {"there, wanted absent", "PUT", "one", {"If-None-Match", "*"}, 412},
      {"still the same", "PUT", "one", {"If-Match", one}, 200},
      {"one of several", "PUT", "one", {"If-Match", two + ", " + one}, 200},
      {"another", "PUT", "one", {"If-Match", two}, 412},
      {"a weak tag names nothing", "PUT", "one", {"If-Match", "W/" + one}, 412},
      {"absent, wanted there", "PUT", "", {"If-Match", "*"}, 412},
      {"there, wanted there", "PUT", "one", {"If-Match", "*"}, 200},
      {"absent, wanted the same", "PUT", "", {"If-Match", one}, 412},
      {"wanted another, is another", "PUT", "one", {"If-None-Match", two}, 200},
      {"wanted another, is that", "PUT", "one", {"If-None-Match", "W/" + one}, 412},
      {"no quotes", "PUT", "one", {"If-Match", IdOf("one")}, 400},
      {"no tag", "PUT", "one", {"If-None-Match", "\"a\",,"}, 400},
      {"delete the same", "DELETE", "one", {"If-Match", one}, 204},
      {"delete another", "DELETE", "one", {"If-Match", two}, 412},
      {"delete unless the same", "DELETE", "one", {"If-None-Match", one}, 412},
      {"delete nothing", "DELETE", "", {"If-Match", one}, 404},
  };
  node_.Call("POST", "/v1/blobs", "three");
  for (const auto& c : cases) {
    node_.Status("DELETE", refs_ + "/k");
    if (!c.before.empty()) Put("k", c.before);
    AppClient::Call call{.method = c.method, .target = refs_ + "/k", .headers = {c.header}};
    const bool put = call.method == "PUT";
    if (put) call.body = "{\"blob\":\"" + IdOf("three") + "\"}";
    const auto reply = Send(call);
    EXPECT_EQ(reply.status, c.status) << c.name << ": " << reply.body;
    const bool done = c.status < 300;
    if (done && put) {
      EXPECT_EQ(reply.Header("etag"), TagOf("three")) << c.name;
    }
    if (c.status == 412) {
      EXPECT_EQ(Json::parse(reply.body)["error"]["code"], "precondition_failed") << c.name;
    }
    const auto after = Get(refs_ + "/k");
    const std::string now = done ? (put ? "three" : "") : c.before;
    EXPECT_EQ(after.status, now.empty() ? 404 : 200) << c.name;
    if (!now.empty()) {
      EXPECT_EQ(after.Header("etag"), TagOf(now)) << c.name;
      EXPECT_EQ(Get(refs_ + "/k", {{"If-None-Match", TagOf(now)}}).status, 304) << c.name;
    }
  }
}

TEST_F(RefsTest, APutOfBytesUnderAKeyHasConditionsToo) {
  const auto put = [&](const std::string& content, const std::string& header,
                       const std::string& value) {
    return Send({.method = "POST",
                 .target = puts_ + "k",
                 .headers = {{header, value}},
                 .body = content})
        .status;
  };
  EXPECT_EQ(put("one", "If-None-Match", "*"), 201);
  EXPECT_EQ(put("two", "If-None-Match", "*"), 412);
  EXPECT_EQ(put("two", "If-Match", TagOf("zero")), 412);
  EXPECT_EQ(Get("/v1/blobs/" + IdOf("two")).status, 404);
  EXPECT_EQ(put("two", "If-Match", TagOf("one")), 201);
  EXPECT_EQ(Get(refs_ + "/k").Header("etag"), TagOf("two"));
}

TEST_F(RefsTest, OfManyWhoChangeTheSameOnlyOneDoes) {
  Put("k", "start");
  std::atomic<int> done{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const auto reply = Send({.method = "POST",
                               .target = puts_ + "k",
                               .headers = {{"If-Match", TagOf("start")}},
                               .body = "by " + std::to_string(i)});
      if (reply.status == 201) ++done;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(done, 1);
}

}  // namespace
}  // namespace waypost::http
