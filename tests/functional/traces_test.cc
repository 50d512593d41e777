// What a collector has been told of a job, whoever did the work: one tree.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/escaping.h"
#include "tests/functional/cluster.h"
#include "tests/functional/fronts.h"
#include "tests/support/loopback.h"
#include "tests/support/trace_collector.h"

namespace mind::testing {
namespace {

using support::TraceCollector;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

constexpr char kTrace[] = "4bf92f3577b34da6a3ce929d0e0e4736", kSpan[] = "00f067aa0ba902b7";
const std::string kTraceparent = std::string("00-") + kTrace + "-" + kSpan + "-01";

// What processes that are started while it lives are told by their environment.
class Environment {
 public:
  explicit Environment(std::map<std::string, std::string> set) : set_(std::move(set)) {
    for (const auto& [name, value] : set_) setenv(name.c_str(), value.c_str(), 1);
  }
  ~Environment() {
    for (const auto& [name, value] : set_) unsetenv(name.c_str());
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const std::map<std::string, std::string> set_;
};

std::map<std::string, std::string> ExportingTo(const TraceCollector& collector) {
  return {{"OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()}, {"OTEL_BSP_SCHEDULE_DELAY", "20"}};
}

// One call of CreateJob with a traceparent; the job's id.
std::string CreateTraced(const std::string& address, const v1::JobRequest& request) {
  const auto stub =
      v1::GenerationService::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.AddMetadata("traceparent", kTraceparent);
  context.AddMetadata("tracestate", "vendor=told");
  v1::CreateJobRequest call;
  *call.mutable_job() = request;
  v1::CreateJobResponse response;
  const grpc::Status status = stub->CreateJob(&context, call, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.job().id();
}

// The spans of the trace, by their ids.
using Tree = std::map<std::string, TraceCollector::Collected>;
Tree TreeOf(const TraceCollector& collector) {
  Tree tree;
  for (const TraceCollector::Collected& one : collector.Spans()) {
    if (absl::BytesToHexString(one.span.trace_id()) == kTrace) tree[one.span.span_id()] = one;
  }
  return tree;
}

int Count(const Tree& tree, const std::string& name) {
  return static_cast<int>(std::count_if(tree.begin(), tree.end(),
                                        [&](const auto& entry) { return entry.second.span.name() == name; }));
}

std::string TextOf(const TraceCollector::Span& span, const std::string& name) {
  for (const auto& attribute : span.attributes()) {
    if (attribute.key() == name) return attribute.value().string_value();
  }
  return "";
}

// Every span is under another of the tree, but the request's, which is under the caller's.
void ExpectOneTree(const Tree& tree) {
  int roots = 0;
  for (const auto& [id, one] : tree) {
    const std::string& parent = one.span.parent_span_id();
    if (absl::BytesToHexString(parent) == kSpan) {
      ++roots;
      EXPECT_EQ(one.span.name(), "request");
    } else {
      EXPECT_EQ(tree.count(parent), 1U) << one.span.name() << " is under nothing";
    }
    EXPECT_LE(one.span.start_time_unix_nano(), one.span.end_time_unix_nano());
  }
  EXPECT_EQ(roots, 1);
}

TEST(Traces, AJobThatIsHandedOnAndChangesItsLeaderIsOneTree) {
  const TraceCollector collector;
  const Environment environment(ExportingTo(collector));
  Fronts fronts(2);
  fronts.StartWorker("w0", 1, {"--drain", "2s"});
  const std::string job = CreateTraced(fronts.address(1), Request("a red heart", 1, 600));
  const auto client = fronts.NewClient(1);
  Await("work in progress", [&] { return JobNow(*client, job).steps_done() > 3; });
  fronts.worker("w0").Kill(SIGTERM);
  EXPECT_EQ(fronts.worker("w0").Wait(), 0);
  fronts.StartWorker("w1", 1);
  Await("the other to go on", [&] { return JobNow(*client, job).attempt() == 2; });
  fronts.Kill(0, SIGKILL);
  const auto ended = client->Watch(job, {}, 0, absl::ZeroDuration());
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(ended->state(), v1::JOB_STATE_SUCCEEDED);
  Await("the tree", [&] {
    const Tree tree = TreeOf(collector);
    return Count(tree, "store") == 1 && Count(tree, "decode") == 1;
  });

  const Tree tree = TreeOf(collector);
  ExpectOneTree(tree);
  std::set<std::string> names, workers, services;
  for (const auto& [id, one] : tree) {
    names.insert(one.span.name());
    services.insert(one.service);
    if (one.span.name() == "attempt") workers.insert(TextOf(one.span, "mind.worker"));
  }
  EXPECT_THAT(names, IsSupersetOf({"request", "queue", "attempt", "denoise", "decode", "store"}));
  EXPECT_THAT(workers, IsSupersetOf({"w0", "w1"}));
  EXPECT_THAT(services, IsSupersetOf({"mind-server", "mind-worker"}));
  EXPECT_GE(Count(tree, "queue"), 2);
  for (const std::string name : {"w0", "w1"}) {
    EXPECT_THAT(fronts.worker(name).Errors(), HasSubstr(kTrace)) << "no trace in the log";
  }
  EXPECT_THAT(fronts.front(1).Errors(), HasSubstr(kTrace));
}

TEST(Traces, ARequestOverHttpGoesOnWithItsCallersTrace) {
  const TraceCollector collector;
  const Environment environment(ExportingTo(collector));
  Cluster cluster({"--http", "127.0.0.1:0"}, Cluster::Store::kSqlite);
  cluster.StartWorker("w");
  const std::string line = cluster.server().AwaitLine("http on port ");
  const int port = std::atoi(line.c_str() + line.find("http on port ") + 13);
  const std::string body = R"({"spec":{"model":"emoji","prompt":"a fish","steps":4,"seed":1}})";
  const std::string answer = support::Ask(
      support::Connect(port),
      "POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntraceparent: " + kTraceparent +
          "\r\nconnection: close\r\ncontent-length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  EXPECT_THAT(answer, HasSubstr(kTrace));
  Await("the tree",
        [&] { return Count(TreeOf(collector), "store") == 1 && Count(TreeOf(collector), "attempt") == 1; });
  ExpectOneTree(TreeOf(collector));
  EXPECT_GT(cluster.ServerMetric("mind_spans_exported_total"), 0);
  EXPECT_EQ(cluster.ServerMetric("mind_spans_dropped_total"), 0);
}

TEST(Traces, WithoutACollectorNothingStops) {
  std::string nowhere;
  { nowhere = TraceCollector().endpoint(); }
  const Environment environment({{"OTEL_EXPORTER_OTLP_ENDPOINT", nowhere},
                                 {"OTEL_BSP_SCHEDULE_DELAY", "1"},
                                 {"OTEL_EXPORTER_OTLP_TIMEOUT", "50"},
                                 {"OTEL_BSP_MAX_QUEUE_SIZE", "1"}});
  Cluster cluster({}, Cluster::Store::kSqlite);
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  const auto ended = client->Watch(CreateJob(*client, Request("a fish", 1, 4)), {});
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(ended->state(), v1::JOB_STATE_SUCCEEDED);
  Await("that to be counted", [&] { return cluster.ServerMetric("mind_spans_dropped_total") >= 3; });
}

TEST(Traces, WhatIsNotSupportedEndsTheStart) {
  const Environment environment(
      {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://there:4317"}, {"OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"}});
  for (const std::string program : {"mind-server", "mind-worker"}) {
    const support::TemporaryFolder folder;
    std::vector<std::string> command = {MIND_BIN "/" + program, "--metrics", "127.0.0.1:0"};
    if (program == "mind-worker") command.insert(command.end(), {"--models", MIND_MODELS "/emoji"});
    if (program == "mind-server")
      command.insert(command.end(), {"--listen", "127.0.0.1:0", "--data", folder / "d"});
    support::Process process(command, folder / "out");
    EXPECT_EQ(process.Wait(), 1) << program;
    EXPECT_THAT(process.Errors(), AllOf(HasSubstr("OTEL_EXPORTER_OTLP_PROTOCOL"), HasSubstr("is not grpc")));
  }
}

}  // namespace
}  // namespace mind::testing
