// What a real server serves, by its own account, and who may call it: nothing is open by oversight.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/unknown_field_set.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "nlohmann/json.hpp"
#include "server/trust/access.h"
#include "tests/functional/cluster.h"
#include "tests/functional/harm.h"
#include "tests/functional/new_key.h"
#include "tests/support/loopback.h"
#include "tests/support/temporary_folder.h"

namespace mind::testing {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::ServiceDescriptor;
using google::protobuf::UnknownFieldSet;
using ::testing::IsSupersetOf;
using ::testing::StartsWith;

// What stands in the fields of this number.
std::vector<std::string> FieldsOf(const std::string& bytes, int number) {
  UnknownFieldSet fields;
  EXPECT_TRUE(fields.ParseFromString(bytes));
  std::vector<std::string> found;
  for (int i = 0; i < fields.field_count(); ++i) {
    if (fields.field(i).number() == number) found.push_back(fields.field(i).length_delimited());
  }
  return found;
}

// The services of a port, as gRPC's reflection tells them: ServerReflectionResponse.list_services_response.
std::set<std::string> ServicesAt(const std::string& address) {
  std::string answer;
  const grpc::Status status = RawCall(
      address, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3a\x01*", &answer);
  EXPECT_TRUE(status.ok()) << status.error_message();
  std::set<std::string> names;
  for (const std::string& list : FieldsOf(answer, 6)) {
    for (const std::string& service : FieldsOf(list, 1)) {
      for (const std::string& name : FieldsOf(service, 1)) names.insert(name);
    }
  }
  return names;
}

class KeysAccess : public ::testing::Test {
 protected:
  KeysAccess() { cluster_.SetKey(all_); }

  std::string Http(const std::string& method, const std::string& path, const std::string& key) {
    const std::string line = cluster_.server().AwaitLine("http on port ");
    const std::string body = method == "POST" ? "{}" : "";
    return support::Ask(
        support::Connect(std::atoi(line.c_str() + line.find("port ") + 5)),
        absl::StrCat(method, " ", path, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
                     key.empty() ? "" : "Authorization: Bearer " + key + "\r\n",
                     "Content-Length: ", body.size(), "\r\n\r\n", body));
  }
  // Its document's paths, and the methods of each: "GET /v1/jobs/{id}".
  std::set<std::string> Routes() {
    const std::string answer = Http("GET", "/openapi.json", "");
    std::set<std::string> routes;
    const auto document = nlohmann::json::parse(answer.substr(answer.find("\r\n\r\n")));
    for (const auto& [path, methods] : document["paths"].items()) {
      for (const auto& [method, operation] : methods.items()) {
        routes.insert(absl::StrCat(absl::AsciiStrToUpper(method), " ", path));
      }
    }
    return routes;
  }

  const support::TemporaryFolder folder_;
  const std::string keys_ = folder_ / "keys";
  const std::string all_ =
      NewKey(keys_, "ops", {v1::SCOPE_GENERATE, v1::SCOPE_READ, v1::SCOPE_ADMIN, v1::SCOPE_WORKER});
  const std::string one_ = NewKey(keys_, "one", {v1::SCOPE_GENERATE, v1::SCOPE_READ});
  const std::string two_ = NewKey(keys_, "two", {v1::SCOPE_GENERATE, v1::SCOPE_READ});
  Cluster cluster_{{"--keys", keys_, "--http", "127.0.0.1:0"}};
};

TEST_F(KeysAccess, EveryMethodThatIsServedAsksForAKey) {
  const Cluster
      open;  // the same program; it says what it serves, which it keeps to itself where keys are asked
  const std::set<std::string> services = ServicesAt(open.address());
  EXPECT_THAT(services, IsSupersetOf({"mind.v1.GenerationService", "mind.v1.KeyService",
                                      "mind.v1.WorkerService", "externalscaler.ExternalScaler"}));
  const auto channel = NewChannel(cluster_.address());
  int methods = 0;
  for (const std::string& name : services) {
    if (absl::StartsWith(name, "grpc.")) continue;  // health; and reflection, which is asked for below
    const ServiceDescriptor* const service = DescriptorPool::generated_pool()->FindServiceByName(name);
    ASSERT_NE(service, nullptr) << name;
    for (int i = 0; i < service->method_count(); ++i) {
      const std::string method = absl::StrCat(name, "/", service->method(i)->name());
      const auto access = server::AccessTo(method);
      ASSERT_TRUE(access && !access->open()) << method;
      for (const std::string& key : {std::string(), two_ + "x"}) {
        std::optional<RawRequest> request =
            RawRequest{.method = method, .key = key, .tenant = "", .bytes = BytesOf(v1::JobRequest())};
        CallMany(
            channel, 1, [&request] { return std::exchange(request, std::nullopt); },
            [&](const grpc::Status& status) {
              EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << method << key;
            });
      }
      ++methods;
    }
  }
  EXPECT_GE(methods, 24);
  const grpc::Status reflection = RawCall(
      cluster_.address(), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3a\x01*");
  EXPECT_EQ(reflection.error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(KeysAccess, EveryRouteThatIsServedAsksForAKey) {
  const std::set<std::string> routes = Routes();
  EXPECT_GE(routes.size(), 30U);
  for (const std::string& route : routes) {
    const auto access = server::AccessTo(route);
    ASSERT_TRUE(access) << route;
    const size_t space = route.find(' ');
    const std::string path = absl::StrReplaceAll(route.substr(space + 1),
                                                 {{"{id}", "job-1"}, {"{index}", "0"}, {"{model}", "emoji"}});
    const std::string answer = Http(route.substr(0, space), path, "");
    if (access->open()) {
      EXPECT_FALSE(absl::StartsWith(answer, "HTTP/1.1 401")) << route;
    } else {
      EXPECT_THAT(answer, StartsWith("HTTP/1.1 401")) << route;
    }
  }
}

// Whatever takes the id of a job says the same of another tenant's as of one that there is not.
TEST_F(KeysAccess, NoRouteTellsOfAnothersJob) {
  cluster_.StartWorker("w");
  const auto owner = cluster_.ClientOf(one_);
  const auto made = owner->Generate(Request("a red apple", 1, 3), {});
  ASSERT_TRUE(made.ok()) << made.status();
  cluster_.KillWorker("w", SIGKILL);
  const std::string waiting = CreateJob(*owner, Request("a red apple", 2, 3));
  std::string none = made->id();
  none.back() = none.back() == '0' ? '1' : '0';
  const auto told_of = [this](const std::string& route, const std::string& id) {
    const size_t space = route.find(' ');
    const std::string path = absl::StrReplaceAll(route.substr(space + 1), {{"{id}", id}, {"{index}", "0"}});
    const std::string answer = Http(route.substr(0, space), path, two_);
    // Without what is of each answer alone.
    std::string told = answer.substr(0, answer.find("\r\n")) + answer.substr(answer.find("\r\n\r\n"));
    for (size_t at = 0; (at = told.find("\"traceId\":\"", at)) != std::string::npos; at += 11) {
      told.erase(at + 11, 32);
    }
    return absl::StrReplaceAll(told, {{id, "ID"}});
  };
  int routes = 0;
  for (const std::string& route : Routes()) {
    if (!absl::StrContains(route, "{id}")) continue;
    ++routes;
    const std::string expected = told_of(route, none);
    EXPECT_EQ(told_of(route, made->id()), expected) << route;
    EXPECT_EQ(told_of(route, waiting), expected) << route;
  }
  EXPECT_GE(routes, 6);
  EXPECT_EQ(JobNow(*owner, waiting).state(), v1::JOB_STATE_QUEUED);
  EXPECT_TRUE(owner->Get(made->id()).ok());
}

}  // namespace
}  // namespace mind::testing
