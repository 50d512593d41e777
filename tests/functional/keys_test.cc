// Keys of real processes: who gets in, with what, until when.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"
#include "proto/support/errors.h"
#include "tests/functional/cluster.h"
#include "tests/functional/fronts.h"
#include "tests/support/loopback.h"
#include "tests/support/temporary_folder.h"

namespace mind::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct Result {
  int status;
  std::string out, err;
};

Result RunProgram(const support::TemporaryFolder& folder, std::vector<std::string> command) {
  static int runs = 0;
  command[0] = absl::StrCat(MIND_BIN, "/", command[0]);
  Process process(command, folder / absl::StrCat("run-", ++runs));
  const int status = process.Wait();
  return {status, process.Output(), process.Errors()};
}

// The key that `mind keys` has printed: the last line.
std::string KeyIn(const Result& result) {
  EXPECT_EQ(result.status, 0) << result.err;
  const std::vector<std::string> lines = absl::StrSplit(result.out, '\n', absl::SkipEmpty());
  return lines.empty() ? "" : lines.back();
}

std::string IdOf(const std::string& key) {
  return key.substr(5, 10);
}

std::string KeyReason(const absl::Status& status) {
  const auto info = GetErrorInfo(status);
  return info ? info->reason() : "";
}

// A folder with a file of keys, one of which may do everything.
class KeyFolder {
 public:
  std::string path() const { return folder_ / "keys"; }
  const support::TemporaryFolder& folder() const { return folder_; }
  std::string New(const std::string& tenant, const std::string& scopes,
                  const std::vector<std::string>& flags = {}) const {
    std::vector<std::string> command = {"mind",     "keys", "create",   "--file", path(),
                                        "--tenant", tenant, "--scopes", scopes};
    command.insert(command.end(), flags.begin(), flags.end());
    return KeyIn(RunProgram(folder_, command));
  }
  std::string all() const { return all_; }

 private:
  const support::TemporaryFolder folder_;
  const std::string all_ = New("ops", "generate,read,admin,worker");
};

class Keys : public ::testing::Test {
 protected:
  Keys() { cluster_.SetKey(keys_.all()); }

  // With a key of the file, as soon as the server has seen it.
  std::unique_ptr<client::Client> Seen(const std::string& key) {
    auto client = cluster_.ClientOf(key);
    Await("the key is known",
          [&client] { return KeyReason(client->Models().status()) != "API_KEY_INVALID"; });
    return client;
  }
  std::string Http(const std::string& method, const std::string& path, const std::string& headers,
                   const std::string& body = "") {
    const std::string line = cluster_.server().AwaitLine("http on port ");
    return support::Ask(
        support::Connect(std::atoi(line.c_str() + line.find("port ") + 5)),
        absl::StrCat(method, " ", path, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", headers,
                     "Content-Length: ", body.size(), "\r\n\r\n", body));
  }

  std::string Audited() const {
    std::ifstream audit(keys_.folder() / "audit");
    return {std::istreambuf_iterator<char>(audit), std::istreambuf_iterator<char>()};
  }

  KeyFolder keys_;
  Cluster cluster_{{"--keys", keys_.path(), "--audit", keys_.folder() / "audit", "--http", "127.0.0.1:0"}};
};

TEST_F(Keys, ATenantMakesPicturesThatNoOtherLearnsOf) {
  cluster_.StartWorker("w");
  const auto one = Seen(keys_.New("one", "generate,read"));
  const auto two = Seen(keys_.New("two", "generate,read"));
  const auto made = one->Generate(Request("a red apple", 1), {});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->tenant(), "one");
  EXPECT_EQ(one->List(10)->size(), 1U);
  EXPECT_EQ(two->List(10)->size(), 0U);
  // Of another's job is told what is told of none.
  std::string none = made->id();
  none.back() = none.back() == '0' ? '1' : '0';
  const auto told_of = [&two](const std::string& id) {
    std::vector<std::string> told;
    for (const absl::Status& status :
         {two->Get(id).status(), two->Cancel(id).status(), two->Delete(id).status(),
          two->GetImage(id, 0).status(), two->Watch(id, {}).status()}) {
      EXPECT_TRUE(absl::IsNotFound(status)) << status;
      std::string text(status.message());
      EXPECT_THAT(text, HasSubstr(id));
      told.push_back(text.replace(text.find(id), id.size(), "ID"));
    }
    return told;
  };
  EXPECT_EQ(told_of(made->id()), told_of(none));
  EXPECT_TRUE(one->Get(made->id()).ok());
}

TEST_F(Keys, OnlyARightKeyIsLetInOverHttpToo) {
  cluster_.StartWorker("w");
  const std::string key = keys_.New("one", "generate,read");
  Seen(key);
  EXPECT_THAT(Http("GET", "/v1/models", ""),
              AllOf(StartsWith("HTTP/1.1 401"), HasSubstr("www-authenticate: Bearer"),
                    HasSubstr("authentication_error")));
  EXPECT_THAT(Http("GET", "/v1/models", absl::StrCat("Authorization: Bearer ", key, "\r\n")),
              StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Http("GET", "/v1/workers", absl::StrCat("Authorization: Bearer ", key, "\r\n")),
              AllOf(StartsWith("HTTP/1.1 403"), HasSubstr("SCOPE_MISSING")));
  for (const char* const path : {"/", "/main.js", "/openapi.json", "/v2/health/live", "/v2/health/ready"}) {
    EXPECT_THAT(Http("GET", path, ""), StartsWith("HTTP/1.1 200")) << path;
  }
  const std::string refused = R"("call":"GET /v1/workers","reason":"SCOPE_MISSING","peer":"127.0.0.1")";
  Await("the audit to tell who was refused", [&] { return absl::StrContains(Audited(), refused); });
  const std::string link =
      Http("POST", "/v1/images/generations", absl::StrCat("Authorization: Bearer ", key, "\r\n"),
           R"({"prompt": "a fish", "num_inference_steps": 3, "response_format": "url"})");
  ASSERT_THAT(link, StartsWith("HTTP/1.1 200"));
  const std::string url = nlohmann::json::parse(link.substr(link.find("\r\n\r\n")))["data"][0]["url"];
  EXPECT_THAT(Http("GET", url.substr(url.find("/v1/")), ""), StartsWith("HTTP/1.1 200"));
}

TEST_F(Keys, ARevokedKeyEndsWhatGoesOnWithIt) {
  cluster_.StartWorker("w");
  const std::string worker_key = keys_.New("ops", "worker"), key = keys_.New("one", "generate,read");
  const auto client = Seen(key);
  cluster_.KillWorker("w", SIGKILL);
  cluster_.SetKey(keys_.all());
  cluster_.LaunchWorker("revoked", {"--key", worker_key});
  cluster_.AwaitWorkers(1);
  // A stream, and a worker's.
  absl::Status ended;
  std::thread watching([&] { ended = client->Generate(Request("a dog", 1, 1000), {}).status(); });
  const auto admin = cluster_.NewClient();
  Await("it runs", [&] { return RunningImages(*admin) == 1; });
  for (const std::string& revoked : {key, worker_key}) {
    EXPECT_EQ(
        RunProgram(keys_.folder(), {"mind", "keys", "revoke", IdOf(revoked), "--file", keys_.path()}).status,
        0);
  }
  cluster_.AwaitWorkers(0);
  Await("the call has ended",
        [&] { return cluster_.ServerMetric("mind_server_open_calls", "GenerateImage") == 0; });
  client->Stop();
  watching.join();
  EXPECT_EQ(KeyReason(ended), "API_KEY_REVOKED") << ended;
  EXPECT_EQ(KeyReason(client->Models().status()), "API_KEY_REVOKED");
  Await("the worker has said why",
        [&] { return absl::StrContains(cluster_.worker("revoked").Errors(), "has been revoked"); });
}

TEST_F(Keys, AreMadeRotatedAndRevokedWhileTheServerRuns) {
  const auto run = [this](std::vector<std::string> arguments) {
    std::vector<std::string> command = {"mind", "--server", cluster_.address(), "--key", keys_.all()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return RunProgram(keys_.folder(), command);
  };
  const std::string key =
      KeyIn(run({"keys", "create", "--tenant", "web", "--scopes", "read", "--name", "shop"}));
  EXPECT_TRUE(cluster_.ClientOf(key)->List(1).ok());
  EXPECT_THAT(run({"keys", "list"}).out, AllOf(HasSubstr(IdOf(key)), HasSubstr("shop"),
                                               HasSubstr(IdOf(keys_.all())), Not(HasSubstr(key))));
  const std::string next = KeyIn(run({"keys", "rotate", IdOf(key), "--overlap", "1h"}));
  EXPECT_TRUE(cluster_.ClientOf(key)->List(1).ok());
  EXPECT_TRUE(cluster_.ClientOf(next)->List(1).ok());
  EXPECT_EQ(run({"keys", "revoke", IdOf(key)}).status, 0);
  EXPECT_EQ(KeyReason(cluster_.ClientOf(key)->List(1).status()), "API_KEY_REVOKED");
  EXPECT_EQ(run({"keys", "limit", "web", "--requests-per-minute", "2"}).status, 0);
  EXPECT_TRUE(cluster_.ClientOf(next)->List(1).ok());
  EXPECT_TRUE(cluster_.ClientOf(next)->List(1).ok());
  const absl::Status limited = cluster_.ClientOf(next)->List(1).status();
  EXPECT_EQ(KeyReason(limited), "REQUEST_LIMIT");
  EXPECT_TRUE(GetRetryDelay(limited));
  // They outlive the server.
  cluster_.KillServer(SIGKILL);
  cluster_.StartServer();
  EXPECT_EQ(KeyReason(cluster_.ClientOf(key)->Models().status()), "API_KEY_REVOKED");
  Await("the store's keys are read", [&] { return cluster_.ClientOf(next)->Models().ok(); });
  // Who may not.
  const Result denied =
      RunProgram(keys_.folder(), {"mind", "--server", cluster_.address(), "--key", next, "keys", "list"});
  EXPECT_EQ(denied.status, 8);
  EXPECT_THAT(denied.err, HasSubstr("scope \"admin\""));
  EXPECT_EQ(RunProgram(keys_.folder(), {"mind", "--server", cluster_.address(), "jobs"}).status, 8);
  EXPECT_THAT(Audited(), AllOf(HasSubstr("key_made"), HasSubstr("key_replaced"), HasSubstr("key_revoked"),
                               HasSubstr(R"("reason":"SCOPE_MISSING","peer":"127.0.0.1")")));
}

TEST_F(Keys, WithoutThemOnlyThisMachineIsServed) {
  const auto errors = [this](std::vector<std::string> flags) {
    std::vector<std::string> command = {"mind-server", "--metrics", "127.0.0.1:0", "--data",
                                        keys_.folder() / "data"};
    command.insert(command.end(), flags.begin(), flags.end());
    const Result result = RunProgram(keys_.folder(), command);
    EXPECT_EQ(result.status, 1);
    return result.err;
  };
  for (const char* const flag : {"--listen", "--listen-workers", "--http"}) {
    EXPECT_THAT(errors({flag, "0.0.0.0:0"}), AllOf(HasSubstr(absl::StrCat(flag, " 0.0.0.0:0")),
                                                   HasSubstr("--keys FILE"), HasSubstr("--open")));
  }
  EXPECT_THAT(errors({"--keys", keys_.path(), "--open"}), HasSubstr("give one of them"));
  EXPECT_THAT(errors({"--keys", "/nowhere/keys"}), HasSubstr("mind keys create --file /nowhere/keys"));
  std::ofstream(keys_.folder() / "diary") << "dear diary";
  EXPECT_THAT(errors({"--keys", keys_.folder() / "diary"}), HasSubstr("no JSON of a file of keys"));
}

// Keys of the store are known to every front.
TEST(KeysOfFronts, HoldAtEach) {
  const KeyFolder keys;
  Fronts fronts(2, {"--keys", keys.path()}, keys.all());
  fronts.StartWorker("w", 1);
  const auto admin = fronts.NewClient(0);
  v1::ApiKey like;
  like.set_tenant("web");
  like.add_scopes(v1::SCOPE_GENERATE);
  like.add_scopes(v1::SCOPE_READ);
  const auto made = admin->CreateKey(like);
  ASSERT_TRUE(made.ok()) << made.status();
  const auto client = [&fronts, &made](size_t front) {
    return client::Client({.server = fronts.address(front), .key = made->text()});
  };
  EXPECT_TRUE(client(0).Models().ok());
  Await("the other front knows it", [&] { return client(1).Models().ok(); });
  for (const size_t front : {0, 1}) {
    const auto job = client(front).Generate(Request("a fish", 1, 3), {});
    ASSERT_TRUE(job.ok()) << job.status();
    EXPECT_EQ(job->tenant(), "web");
    EXPECT_EQ(job->highest_priority(), v1::PRIORITY_NORMAL) << "what the key allows goes with the request";
    v1::JobRequest hurried = Request("a fish", 1, 3);
    hurried.set_priority(v1::PRIORITY_HIGH);
    EXPECT_EQ(client(front).Create(hurried)->priority(), v1::PRIORITY_NORMAL);
  }
  ASSERT_TRUE(admin->RevokeKey(made->key().id()).ok());
  EXPECT_EQ(KeyReason(client(0).Models().status()), "API_KEY_REVOKED");
  Await("the other front has heard of it",
        [&] { return KeyReason(client(1).Models().status()) == "API_KEY_REVOKED"; });
}

}  // namespace
}  // namespace mind::testing
