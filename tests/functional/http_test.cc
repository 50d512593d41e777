// The faces over HTTP of real processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tests/functional/cluster.h"
#include "tests/support/loopback.h"

namespace mind::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class Http : public ::testing::Test {
 protected:
  Http() : cluster_({"--http", "127.0.0.1:0"}) {
    port_ = PortOf(cluster_);
    cluster_.StartWorker("w");
  }

  static int PortOf(Cluster& cluster) {
    const std::string line = cluster.server().AwaitLine("http on port ");
    return std::atoi(line.c_str() + line.find("port ") + 5);
  }

  // One request on a connection of its own; all of the answer.
  std::string Ask(const std::string& method, const std::string& path, const std::string& body = "") {
    return support::Ask(
        support::Connect(port_),
        absl::StrCat(method, " ", path, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
                     "Content-Length: ", body.size(), "\r\n\r\n", body));
  }
  static std::string BodyOf(const std::string& answer) { return answer.substr(answer.find("\r\n\r\n") + 4); }

  Cluster cluster_;
  int port_ = 0;
};

TEST_F(Http, AJobIsMadeWatchedAndItsPictureFetched) {
  const std::string created =
      Ask("POST", "/v1/jobs", R"({"spec": {"prompt": "a fish", "seed": "5", "steps": 8}})");
  ASSERT_THAT(created, StartsWith("HTTP/1.1 202"));
  const std::string id = nlohmann::json::parse(BodyOf(created))["id"];
  const std::string events = Ask("GET", absl::StrCat("/v1/jobs/", id, "/events"));
  for (const char* const name : {"queued", "image", "completed"}) {
    EXPECT_THAT(events, HasSubstr(absl::StrCat("\nevent: ", name, "\n")));
  }
  const std::string fetched = BodyOf(Ask("GET", absl::StrCat("/v1/jobs/", id, "/images/0")));
  std::string watched;
  const auto ended = cluster_.NewClient()->Watch(
      id, {.event = nullptr, .picture = [&](client::Picture picture) { watched = std::move(picture.data); }});
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_FALSE(watched.empty());
  EXPECT_EQ(fetched, watched);
}

TEST_F(Http, OpenAisCallsMakePictures) {
  const nlohmann::json made = nlohmann::json::parse(BodyOf(
      Ask("POST", "/v1/images/generations", R"({"prompt": "a fish", "n": 2, "num_inference_steps": 5})")));
  EXPECT_EQ(made["data"].size(), 2U) << made.dump().substr(0, 300);
  EXPECT_THAT(Ask("POST", "/v1/images/generations", R"({"prompt": "a fish", "model": "none"})"),
              StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Ask("POST", "/v1/images/generations",
                  R"({"prompt": "a fish", "stream": true, "partial_images": 2, "num_inference_steps": 20})"),
              HasSubstr("event: image_generation.completed\n"));
}

TEST_F(Http, ALinkLeadsToThePictureWithoutAKeyAndADeletedJobIsGone) {
  const nlohmann::json made = nlohmann::json::parse(BodyOf(
      Ask("POST", "/v1/images/generations",
          R"({"prompt": "a fish", "num_inference_steps": 3, "response_format": "url", "output_format": "jpeg",
                     "output_compression": 50})")));
  const std::string url = made["data"][0]["url"];
  const std::string path = url.substr(url.find("/v1/"));
  EXPECT_THAT(url, StartsWith("http://localhost/v1/files/job-"));
  EXPECT_THAT(Ask("GET", path), HasSubstr("Content-Type: image/jpeg"));
  EXPECT_THAT(Ask("GET", path + "x"), StartsWith("HTTP/1.1 403"));
  cluster_.KillServer(SIGKILL);
  cluster_.StartServer();
  port_ = PortOf(cluster_);
  EXPECT_THAT(Ask("GET", path), HasSubstr("Content-Type: image/jpeg"));  // the secret is in the store
  const std::string id = path.substr(10, path.find('/', 10) - 10);
  EXPECT_THAT(Ask("DELETE", absl::StrCat("/v1/jobs/", id)), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Ask("GET", absl::StrCat("/v1/jobs/", id)), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Ask("GET", path), StartsWith("HTTP/1.1 404"));
}

TEST_F(Http, ThePageIsThere) {
  EXPECT_THAT(Ask("GET", "/"), HasSubstr("<title>Mind-Diffusion</title>"));
  EXPECT_THAT(Ask("GET", "/main.js"), HasSubstr("Content-Type: text/javascript"));
}

}  // namespace
}  // namespace mind::testing
