// What a real server serves, by its own account, and who may call it: nothing is open by oversight.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/unknown_field_set.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "nlohmann/json.hpp"
#include "proto/support/time.h"
#include "server/trust/access.h"
#include "tests/functional/cluster.h"
#include "tests/functional/harm.h"
#include "tests/functional/new_key.h"
#include "tests/support/certificates.h"
#include "tests/support/loopback.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tls_socket.h"

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

// A route as it is asked for something that there is not.
std::string PathOf(const std::string& route) {
  return absl::StrReplaceAll(route.substr(route.find(' ') + 1),
                             {{"{id}", "job-1"}, {"{index}", "0"}, {"{model}", "emoji"}});
}

// A server with that file of keys, in the clear or encrypted.
class AskedForKeys {
 public:
  explicit AskedForKeys(const std::string& keys, bool encrypted = false)
      : encrypted_(encrypted), cluster_(Flags(keys)) {}

  Cluster& cluster() { return cluster_; }
  std::shared_ptr<grpc::Channel> Channel() const {
    return NewChannel(cluster_.address(),
                      encrypted_ ? grpc::SslCredentials({.pem_root_certs = authority_.certificate()})
                                 : grpc::InsecureChannelCredentials());
  }
  std::string Http(const std::string& method, const std::string& path, const std::string& key) {
    const std::string line = cluster_.server().AwaitLine("http on port ");
    const int port = std::atoi(line.c_str() + line.find("port ") + 5);
    const std::string body = method == "POST" ? "{}" : "";
    const std::string request =
        absl::StrCat(method, " ", path, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
                     key.empty() ? "" : "Authorization: Bearer " + key + "\r\n",
                     "Content-Length: ", body.size(), "\r\n\r\n", body);
    if (!encrypted_) return support::Ask(support::Connect(port), request);
    support::TlsSocket socket(port);
    socket.Send(request);
    return socket.ReadAll();
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

 private:
  std::vector<std::string> Flags(const std::string& keys) const {
    std::vector<std::string> flags = {"--keys", keys, "--http", "127.0.0.1:0"};
    if (!encrypted_) return flags;
    authority_.IssueForLoopback().Write(folder_ / "server");
    const std::string certificate = folder_ / "server.crt", key = folder_ / "server.key";
    flags.insert(flags.end(), {"--tls-cert", certificate, "--tls-key", key});
    return flags;
  }

  const bool encrypted_;
  const support::TemporaryFolder folder_;
  const support::Authority authority_;
  Cluster cluster_;
};

class KeysAccess : public ::testing::Test {
 protected:
  // A key that is not let in, and whether it is told that it is none, or that it has not the scope.
  struct WrongKey {
    std::string what, key;
    bool known = false;
  };
  // For what needs this scope.
  std::vector<WrongKey> WrongKeys(v1::Scope scope) const {
    return {{"no key", ""},
            {"a wrong one", two_ + "x"},
            {"an expired one", expired_},
            {"a revoked one", revoked_},
            {"one of another scope", scope == v1::SCOPE_SCALE ? all_ : scale_, true}};
  }
  std::string NewOver(void (*end)(v1::ApiKey&)) const {
    v1::ApiKey like = KeyLike(
        "ops", {v1::SCOPE_GENERATE, v1::SCOPE_READ, v1::SCOPE_ADMIN, v1::SCOPE_WORKER, v1::SCOPE_SCALE});
    end(like);
    return NewKey(keys_, like);
  }

  const support::TemporaryFolder folder_;
  const std::string keys_ = folder_ / "keys";
  const std::string all_ =
      NewKey(keys_, "ops", {v1::SCOPE_GENERATE, v1::SCOPE_READ, v1::SCOPE_ADMIN, v1::SCOPE_WORKER});
  const std::string one_ = NewKey(keys_, "one", {v1::SCOPE_GENERATE, v1::SCOPE_READ});
  const std::string two_ = NewKey(keys_, "two", {v1::SCOPE_GENERATE, v1::SCOPE_READ});
  const std::string scale_ = NewKey(keys_, "ops", {v1::SCOPE_SCALE});
  const std::string expired_ = NewOver(
      [](v1::ApiKey& key) { *key.mutable_expire_time() = ToTimestamp(absl::Now() - absl::Seconds(1)); });
  const std::string revoked_ =
      NewOver([](v1::ApiKey& key) { *key.mutable_revoke_time() = ToTimestamp(absl::Now()); });
};

TEST_F(KeysAccess, EveryMethodThatIsServedAsksForAKey) {
  const Cluster
      open;  // the same program; it says what it serves, which it keeps to itself where keys are asked
  const std::set<std::string> services = ServicesAt(open.address());
  EXPECT_THAT(services, IsSupersetOf({"mind.v1.GenerationService", "mind.v1.KeyService",
                                      "mind.v1.WorkerService", "externalscaler.ExternalScaler"}));
  std::map<std::string, v1::Scope> methods;
  for (const std::string& name : services) {
    if (absl::StartsWith(name, "grpc.")) continue;  // health; and reflection, which is asked for below
    const ServiceDescriptor* const service = DescriptorPool::generated_pool()->FindServiceByName(name);
    ASSERT_NE(service, nullptr) << name;
    for (int i = 0; i < service->method_count(); ++i) {
      const std::string method = absl::StrCat(name, "/", service->method(i)->name());
      const auto access = server::AccessTo(method);
      ASSERT_TRUE(access && !access->open()) << method;
      methods[method] = access->scope;
    }
  }
  EXPECT_GE(methods.size(), 24U);
  for (const bool encrypted : {false, true}) {
    const AskedForKeys server(keys_, encrypted);
    const auto channel = server.Channel();
    for (const auto& [method, scope] : methods) {
      for (const WrongKey& wrong : WrongKeys(scope)) {
        CallOnce(
            channel,
            RawRequest{.method = method, .key = wrong.key, .tenant = "", .bytes = BytesOf(v1::JobRequest())},
            [&, &method = method](const grpc::Status& status) {
              EXPECT_EQ(status.error_code(),
                        wrong.known ? grpc::StatusCode::PERMISSION_DENIED : grpc::StatusCode::UNAUTHENTICATED)
                  << method << ", " << wrong.what << ", encrypted: " << encrypted;
            });
      }
    }
    CallOnce(
        channel,
        RawRequest{.method = "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                   .key = "",
                   .tenant = "",
                   .bytes = BytesOf(v1::JobRequest())},
        [](const grpc::Status& status) { EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED); });
  }
}

TEST_F(KeysAccess, EveryRouteThatIsServedAsksForAKey) {
  for (const bool encrypted : {false, true}) {
    AskedForKeys server(keys_, encrypted);
    const std::set<std::string> routes = server.Routes();
    EXPECT_GE(routes.size(), 30U);
    for (const std::string& route : routes) {
      const auto access = server::AccessTo(route);
      ASSERT_TRUE(access) << route;
      for (const WrongKey& wrong : WrongKeys(access->scope)) {
        const std::string answer = server.Http(route.substr(0, route.find(' ')), PathOf(route), wrong.key);
        if (access->open()) {
          EXPECT_FALSE(absl::StartsWith(answer, "HTTP/1.1 401")) << route;
        } else {
          EXPECT_THAT(answer, StartsWith(wrong.known ? "HTTP/1.1 403" : "HTTP/1.1 401"))
              << route << ", " << wrong.what << ", encrypted: " << encrypted;
        }
      }
    }
  }
}

// Whatever takes the id of a job says the same of another tenant's as of one that there is not.
TEST_F(KeysAccess, NoRouteTellsOfAnothersJob) {
  AskedForKeys server(keys_);
  Cluster& cluster = server.cluster();
  cluster.SetKey(all_);
  cluster.StartWorker("w");
  const auto owner = cluster.ClientOf(one_);
  const auto made = owner->Generate(Request("a red apple", 1, 3), {});
  ASSERT_TRUE(made.ok()) << made.status();
  cluster.KillWorker("w", SIGKILL);
  const std::string waiting = CreateJob(*owner, Request("a red apple", 2, 3));
  std::string none = made->id();
  none.back() = none.back() == '0' ? '1' : '0';
  const auto told_of = [&](const std::string& route, const std::string& id) {
    const size_t space = route.find(' ');
    const std::string path = absl::StrReplaceAll(route.substr(space + 1), {{"{id}", id}, {"{index}", "0"}});
    const std::string answer = server.Http(route.substr(0, space), path, two_);
    // Without what is of each answer alone.
    std::string told = answer.substr(0, answer.find("\r\n")) + answer.substr(answer.find("\r\n\r\n"));
    for (size_t at = 0; (at = told.find("\"traceId\":\"", at)) != std::string::npos; at += 11) {
      told.erase(at + 11, 32);
    }
    return absl::StrReplaceAll(told, {{id, "ID"}});
  };
  int routes = 0;
  for (const std::string& route : server.Routes()) {
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
