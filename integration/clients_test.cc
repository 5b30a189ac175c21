// The programs that people really fetch with.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "absl/strings/str_cat.h"
#include "integration/cluster.h"

namespace waypost::integration {
namespace {

class ClientsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    peer_ = &cluster_.Add("peer");
    bytes_ = SomeBytes(24 << 20, 1);
    id_ = peer_->PutBlob(bytes_);
    ASSERT_FALSE(id_.empty());
    small_ = "hello, small blob";
    small_id_ = peer_->PutBlob(small_);
    token_ = ReadWholeFile(peer_->dir() + "/api.token");
    while (!token_.empty() && token_.back() == '\n') token_.pop_back();
    authorization_ = "Authorization: Bearer " + token_;
  }
  std::string Url(const std::string& target) const {
    return "http://" + peer_->http().address() + target;
  }
  std::string File(const std::string& name) const { return dir_.path() + "/" + name; }
  bool IsWhole(const std::string& name) const { return ReadWholeFile(File(name)) == bytes_; }
  // False: the test is to be skipped, for want of the program.
  static bool Installed(const std::string& program) { return std::filesystem::exists(program); }
  // What curl writes to standard output, and after it what `-w` asked for.
  CommandResult Curl(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(),
                     {"/usr/bin/curl", "-sS", "--max-time", "60", "-H", authorization_});
    return RunCommand(std::move(arguments));
  }

  TempDir dir_;
  Cluster cluster_;
  Peer* peer_ = nullptr;
  std::string bytes_, id_, small_, small_id_, token_, authorization_;
};

TEST_F(ClientsTest, CurlUploadsWithAndWithoutExpect) {
  WriteWholeFile(File("up"), SomeBytes(5 << 20, 2));
  const std::string want = HexOfSha256(ReadWholeFile(File("up")));
  // curl asks by itself before it sends so much.
  const CommandResult asked = Curl({"-v", "-T", File("up"), Url("/v1/blobs/" + want)});
  EXPECT_NE(asked.err.find("100 Continue"), std::string::npos) << asked.err;
  EXPECT_EQ(Parsed(asked).value("id", ""), want) << asked.out;
  const CommandResult unasked =
      Curl({"-H", "Expect:", "--data-binary", "@" + File("up"), Url("/v1/blobs")});
  EXPECT_EQ(Parsed(unasked).value("id", ""), want) << unasked.out;
  // Who may not, is told before the bytes travel.
  const CommandResult refused =
      RunCommand({"/usr/bin/curl", "-sS", "-v", "--max-time", "60", "-o", "/dev/null", "-w",
                  "%{http_code} %{size_upload}", "-T", File("up"), Url("/v1/blobs/" + want)});
  EXPECT_EQ(refused.out, "401 0") << refused.err;
  EXPECT_EQ(refused.err.find("100 Continue"), std::string::npos) << refused.err;
  // As from a pipe: in chunks, their number is not known.
  const CommandResult chunked = Curl({"-H", "Transfer-Encoding: chunked", "-w", "%{http_code}",
                                      "-T", File("up"), Url("/v1/blobs/" + want)});
  EXPECT_NE(chunked.out.find(want), std::string::npos) << chunked.out;
  EXPECT_TRUE(chunked.out.ends_with("200")) << chunked.out;
  // A form has an envelope, which is no part of the bytes.
  const CommandResult form =
      Curl({"-F", "file=@" + File("up"), "-w", "%{http_code}", Url("/v1/blobs")});
  EXPECT_NE(form.out.find("-T FILE"), std::string::npos) << form.out;
  EXPECT_TRUE(form.out.ends_with("415")) << form.out;
}

TEST_F(ClientsTest, CurlResumesAsksForPartsAndChecksItsCopy) {
  WriteWholeFile(File("down"), bytes_.substr(0, 7'654'321));
  const CommandResult resumed = Curl({"-C", "-", "-o", File("down"), Url("/v1/blobs/" + id_)});
  EXPECT_EQ(resumed.exit_status, 0) << resumed.err;
  EXPECT_TRUE(IsWhole("down"));
  EXPECT_EQ(Curl({"-r", "10-19", Url("/v1/blobs/" + id_)}).out, bytes_.substr(10, 10));
  EXPECT_EQ(Curl({"-r", "-5", Url("/v1/blobs/" + id_)}).out, bytes_.substr(bytes_.size() - 5));
  const std::vector<std::string> code = {"-o", "/dev/null", "-w", "%{http_code}"};
  const auto status = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), code.begin(), code.end());
    return Curl(std::move(arguments)).out;
  };
  EXPECT_EQ(status({"-r", absl::StrCat(bytes_.size(), "-"), Url("/v1/blobs/" + id_)}), "416");
  EXPECT_EQ(status({"-H", "If-None-Match: \"" + id_ + "\"", Url("/v1/blobs/" + id_)}), "304");
  EXPECT_EQ(status({"-H", "If-None-Match: \"other\"", Url("/v1/blobs/" + id_)}), "200");
  EXPECT_EQ(status({"-I", Url("/v1/blobs/" + id_)}), "200");
}

TEST_F(ClientsTest, CurlKeepsItsConnection) {
  const std::string url = Url("/v1/blobs/" + small_id_);
  const CommandResult twice =
      Curl({"-w", "[%{num_connects}]", url, "-o", File("a"), url, "-o", File("b")});
  EXPECT_EQ(twice.out, "[1][0]") << twice.err;
  EXPECT_EQ(ReadWholeFile(File("b")), small_);
}

TEST_F(ClientsTest, NetcatPipelinesRequests) {
  if (!Installed("/bin/nc")) GTEST_SKIP() << "/bin/nc is not installed";
  std::string requests;
  for (int i = 0; i < 5; ++i) {
    requests +=
        absl::StrCat("GET /v1/blobs/", small_id_, " HTTP/1.1\r\nHost: ", peer_->http().address(),
                     "\r\n", authorization_, "\r\n", i == 4 ? "Connection: close\r\n" : "", "\r\n");
  }
  const std::string& address = peer_->http().address();
  const std::size_t colon = address.rfind(':');
  const CommandResult result = RunCommand(
      {"/bin/nc", "-w", "20", address.substr(0, colon), address.substr(colon + 1)}, {}, requests);
  std::size_t answers = 0;
  for (std::size_t at = 0; (at = result.out.find(small_, at)) != std::string::npos; ++at) {
    ++answers;
  }
  EXPECT_EQ(answers, 5u) << result.out << result.err;
}

TEST_F(ClientsTest, WgetContinues) {
  if (!Installed("/usr/bin/wget")) GTEST_SKIP() << "/usr/bin/wget is not installed";
  WriteWholeFile(File("down"), bytes_.substr(0, 11'111'111));
  const CommandResult result =
      RunCommand({"/usr/bin/wget", "-nv", "-c", "--tries=1", "--header=" + authorization_, "-O",
                  File("down"), Url("/v1/blobs/" + id_)});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_TRUE(IsWhole("down"));
}

TEST_F(ClientsTest, Aria2FetchesOneBlobOverEightConnections) {
  if (!Installed("/usr/bin/aria2c")) GTEST_SKIP() << "/usr/bin/aria2c is not installed";
  const CommandResult result =
      RunCommand({"/usr/bin/aria2c", "--no-conf", "--quiet", "-x8", "-s8", "--min-split-size=1M",
                  "--max-tries=1", "--header=" + authorization_, "--dir=" + dir_.path(),
                  "--out=down", "--checksum=sha-256=" + id_, Url("/v1/blobs/" + id_)});
  EXPECT_EQ(result.exit_status, 0) << result.out << result.err;
  EXPECT_TRUE(IsWhole("down"));
  EXPECT_GE(peer_->Metric("waypost_http_requests_total{code=\"206\",listener=\"app\","
                          "route=\"/v1/blobs/{id}\"}"),
            7);
}

TEST_F(ClientsTest, WrkFindsNoErrors) {
  if (!Installed("/usr/bin/wrk")) GTEST_SKIP() << "/usr/bin/wrk is not installed";
  const CommandResult result =
      RunCommand({"/usr/bin/wrk", "-t2", "-c32", "-d2s", "--timeout", "20s", "-H", authorization_,
                  Url("/v1/blobs/" + small_id_)});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_NE(result.out.find("requests in"), std::string::npos) << result.out;
  EXPECT_EQ(result.out.find("Socket errors"), std::string::npos) << result.out;
  EXPECT_EQ(result.out.find("Non-2xx"), std::string::npos) << result.out;
}

TEST_F(ClientsTest, PythonsHttpClientKeepsOneConnection) {
  if (!Installed("/usr/bin/python3")) GTEST_SKIP() << "/usr/bin/python3 is not installed";
  WriteWholeFile(File("client.py"), R"(
import hashlib, http.client, json, sys
address, token, blob = sys.argv[1:4]
connection = http.client.HTTPConnection(address, timeout=60)
headers = {"Authorization": "Bearer " + token}
connection.connect()
socket = connection.sock
for size in (0, 10, 100000, 3000000):
    body = bytes(i * 7 % 251 for i in range(size))
    connection.request("POST", "/v1/blobs", body=body, headers=headers)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    assert answer.status in (200, 201), (answer.status, said)
    assert said["id"] == hashlib.sha256(body).hexdigest(), said
    connection.request("GET", "/v1/blobs/" + said["id"], headers=headers)
    answer = connection.getresponse()
    assert answer.status == 200 and answer.read() == body, answer.status
connection.request("HEAD", "/v1/blobs/" + blob, headers=headers)
answer = connection.getresponse()
assert answer.status == 200 and answer.read() == b"" and answer.getheader("ETag") == f'"{blob}"'
connection.request("GET", "/v1/nothing", headers=headers)
answer = connection.getresponse()
assert answer.status == 404 and "error" in json.loads(answer.read())
connection.request("GET", "/v1/blobs/" + blob, headers={**headers, "Range": "bytes=1000-1999"})
answer = connection.getresponse()
assert answer.status == 206 and len(answer.read()) == 1000
assert connection.sock is socket, "the connection was not kept"
print("fine")
)");
  const CommandResult result =
      RunCommand({"/usr/bin/python3", File("client.py"), peer_->http().address(), token_, id_});
  EXPECT_EQ(result.out, "fine\n") << result.err;
}

}  // namespace
}  // namespace waypost::integration
